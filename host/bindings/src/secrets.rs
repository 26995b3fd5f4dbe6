//! `bulla:kernel/secrets`

use bulla_base::{Alias, Purpose};
use bulla_engine::{CallState, race_deadline, schedule::host};
use bulla_kernel::ports::Placement as KernelPlacement;
use bulla_kernel::secrets::GuestRequest;
use wasmtime::component::Resource;

use crate::convert::{Answer, PAIR, elements, name, ok_or_tell, told};
use crate::state::HostState;
use crate::world::bulla::kernel::secrets::{Host, HostSecret, Placement, Request, Response};

/// An open secret: its name, never its value.
pub struct SecretHandle {
    alias: Alias,
    purpose: Purpose,
}

impl Host for HostState {}

impl HostSecret for HostState {
    fn open(&mut self, alias: String, purpose: String) -> Answer<Resource<SecretHandle>> {
        self.meter().charge(&host::SECRETS_OPEN, alias.len() + purpose.len())?;
        let alias: Alias = ok_or_tell!(name(&alias));
        let purpose: Purpose = ok_or_tell!(name(&purpose));
        ok_or_tell!(told(self.rooms.secrets.open(&mut self.call, &alias, &purpose)));
        Ok(Ok(self.handles.push(SecretHandle { alias, purpose })?))
    }

    async fn send(&mut self, handle: Resource<SecretHandle>, request: Request) -> Answer<Response> {
        self.meter().charge(&host::SECRETS_SEND, size(&request))?;
        let SecretHandle { alias, purpose } = self.handles.get(&handle)?;
        let (alias, purpose) = (alias.clone(), purpose.clone());
        let rooms = self.rooms.clone();
        let prepared = rooms.secrets.prepare(&mut self.call, &alias, &purpose, guest_request(request));
        let outbound = ok_or_tell!(told(prepared));
        let remaining = self.meter().remaining();
        let answer = race_deadline(remaining, rooms.secrets.egress().send(outbound)).await?;
        let response = ok_or_tell!(told(rooms.secrets.finish(&mut self.call, answer)));
        self.meter().give(headers(&response.headers) + response.body.len())?;
        Ok(Ok(Response { status: response.status, headers: response.headers, body: response.body }))
    }

    fn drop(&mut self, handle: Resource<SecretHandle>) -> wasmtime::Result<()> {
        self.handles.delete(handle)?;
        Ok(())
    }
}

fn size(request: &Request) -> usize {
    let placement = match &request.placement {
        Placement::Bearer => 0,
        Placement::Basic(text) | Placement::Header(text) => text.len(),
    };
    let fixed = request.method.len() + request.url.len() + placement;
    fixed + headers(&request.headers) + request.body.len()
}

fn headers(headers: &[(String, String)]) -> usize {
    let texts: usize = headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    texts + elements(headers, PAIR)
}

fn guest_request(request: Request) -> GuestRequest {
    let placement = match request.placement {
        Placement::Bearer => KernelPlacement::Bearer,
        Placement::Basic(user) => KernelPlacement::Basic { user },
        Placement::Header(name) => KernelPlacement::Header { name },
    };
    GuestRequest {
        method: request.method,
        url: request.url,
        headers: request.headers,
        body: request.body,
        placement,
    }
}
