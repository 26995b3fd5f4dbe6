//! The least that `wasmtime serve` can serve: 200 with a few bytes, whatever is asked.

use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::types::{Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam};

struct Hello;

impl Guest for Hello {
    fn handle(_request: IncomingRequest, out: ResponseOutparam) {
        let answer = br#"{"data":null}"#;
        let headers = Fields::new();
        let length = answer.len().to_string().into_bytes();
        headers.set("content-length", &[length]).expect("a header that may be set");
        let response = OutgoingResponse::new(headers);
        let body = response.body().expect("the body, taken once");
        ResponseOutparam::set(out, Ok(response));
        let stream = body.write().expect("the stream, taken once");
        stream.blocking_write_and_flush(answer).expect("a client that reads");
        drop(stream);
        OutgoingBody::finish(body, None).expect("as many bytes as were promised");
    }
}

wasip2::http::proxy::export!(Hello);
