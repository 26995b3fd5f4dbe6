//! Where the sins are committed: a tenant with every guest in it, one with time and fuel to burn, and a neighbour.

use std::time::Duration;

use bulla_suite::addons::of_next_version;
use bulla_suite::component::MANIFEST;
use bulla_suite::trespasser::{draw, grants, tenant};
use bulla_suite::{Answer, Bench, Component, Data, Receiver, Reply, Server, Tenant, manifest, until};
use serde_json::{Value, json};

pub struct Stage {
    pub bench: Bench,
    pub acme: Tenant,
    /// Of a tier in which the deadline comes before the fuel is spent.
    pub wide: Tenant,
    neighbour: Tenant,
    /// Where the secret may go: answers by path.
    pub receiver: Receiver,
    /// Where nothing may ever arrive.
    elsewhere: Receiver,
    /// The neighbour's reservation and request for approval.
    pub reservation: String,
    pub approval: String,
}

const WIDE: &str = "\n[tier.wide]\nfuel = \"100G\"\ndeadline = \"1s\"\n[tenant.wide]\ntier = \"wide\"\n";

impl Stage {
    pub fn set() -> Self {
        Self::set_with("")
    }

    /// With this configuration.
    pub fn set_with(config: &str) -> Self {
        let elsewhere = Receiver::willing();
        let receiver = answering_by_path(elsewhere.url("/stolen"));
        let data = Data::init();
        data.configure(config);
        let bench = Bench::on(Server::on(data));
        bench.quotas(WIDE);
        let [acme, wide, neighbour] = ["acme", "wide", "neighbour"].map(|id| {
            let tenant = tenant(&bench, id, &receiver.origin());
            tenant.install(&bench.publisher.package("glutton"), None).ok();
            tenant
        });
        acme.install(&bench.publisher.package("nuisance"), None).ok();
        for tenant in [&acme, &wide] {
            let asked: toml::Table = manifest("wasi-reader").parse().unwrap();
            let wasi = serde_json::to_value(&asked["capabilities"]["wasi"]["imports"]).unwrap();
            tenant.install(&bench.publisher.package("wasi-reader"), Some(&json!({ "wasi": wasi }))).ok();
        }
        let drawn = neighbour.call("trespasser/draw", &draw("granted", 1)).data();
        let asked = neighbour.call("trespasser/ask", &json!({"scope": "granted", "total": "500"})).data();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let (reservation, approval) = (text(&drawn["reservations"][0]), text(&asked["id"]));
        let stage = Self { bench, acme, wide, neighbour, receiver, elsewhere, reservation, approval };
        stage.grant(&stage.destinations());
        stage
    }

    /// What the operator of `acme` granted by mistake, beside the receiver: addresses that no grant opens, and a name for one.
    fn destinations(&self) -> Vec<String> {
        let port = self.elsewhere_port();
        let mut all = vec![
            self.receiver.origin(),
            "http://169.254.169.254:80".to_owned(),
            "http://[fe80::1]:80".to_owned(),
            format!("http://0.0.0.0:{port}"),
        ];
        all.extend(loopback_name().map(|name| format!("http://{name}:{port}")));
        all
    }

    fn grant(&self, destinations: &[String]) {
        let mut all = grants(&self.receiver.origin());
        all["secrets"]["granted"]["destinations"] = json!(destinations);
        self.acme.grant("trespasser", &all).ok();
    }

    pub fn elsewhere_port(&self) -> String {
        let origin = self.elsewhere.origin();
        origin.rsplit_once(':').unwrap().1.to_owned()
    }

    /// The neighbour's round: health, a call, and a call that draws a number for good.
    pub fn neighbours_round(&self) {
        assert_eq!(self.bench.operator.get("/healthz").status, 200);
        self.neighbour.call("glutton/noop", &json!({})).ok();
        self.neighbour.call("trespasser/draw", &draw("granted", 1)).ok();
    }

    /// No number of the neighbour's is missing or there twice.
    pub fn neighbour_is_whole(&self) {
        let numbers = self.neighbour.numbers("granted");
        let value = |text: &String| text.rsplit_once('-').unwrap().1.parse::<usize>().unwrap();
        let first = numbers.first().map_or(0, value);
        let whole = numbers.iter().enumerate().all(|(at, text)| value(text) == first + at);
        assert!(whole && numbers.len() > 5, "{numbers:?}");
        assert!(self.neighbour.verify_audit()["fault"].is_null());
        assert!(self.acme.verify_audit()["fault"].is_null());
        let failed = self.neighbour.audit("event=call.failed");
        assert!(failed.is_empty(), "{failed:?}");
    }

    pub fn elsewhere_is_untouched(&self, does: &str) {
        assert!(self.elsewhere.requests().is_empty(), "{does}: {:?}", self.elsewhere.requests());
    }

    /// Everything that calls of the sinners could leave behind, but for entries of the log.
    pub fn holdings(&self) -> Value {
        let of = |tenant: &Tenant| {
            let jobs = tenant.admin.get(&tenant.path("/jobs?limit=500")).data();
            let kept = |job: &&Value| job["entry"] != "tick" && job["state"] != "cancelled";
            let jobs: Vec<_> = jobs.as_array().unwrap().iter().filter(kept).cloned().collect();
            let numbers = ["granted", "withheld", "unasked", "loose"].map(|key| tenant.numbers(key));
            json!({
                "jobs": jobs,
                "numbers": numbers,
                "approvals": tenant.admin.get(&tenant.path("/approvals")).data(),
                "addons": tenant.operator.get(&tenant.path("/addons")).data(),
                "secrets": tenant.admin.get(&tenant.path("/secrets")).data(),
                "keys": tenant.admin.get(&tenant.path("/keys")).data(),
            })
        };
        json!([of(&self.acme), of(&self.wide)])
    }

    /// Waits until no call runs or waits: every place of the host has been given back, but for the moments of the neighbour.
    pub fn is_at_rest(&self, does: &str) {
        until(&format!("{does}: every place to be free"), || {
            let told = self.bench.operator.get("/diagz").data();
            let admission = &told["admission"];
            let tenants = admission["tenants"].as_array().unwrap();
            let idle = tenants.iter().all(|one| one["running"] == 0 && one["waiting"] == 0);
            (idle && admission["free-places"] == told["engine"]["instances"]).then_some(())
        });
    }

    /// Stops the server, and has the whole database proven.
    pub fn leaves_a_sound_database(mut self) {
        assert!(self.bench.server.stop().success());
        let scan = self.bench.server.data().cli(["doctor", "--scan", "--json"]).run().succeeds().json();
        assert!(scan["scanned"]["entries"].as_u64() > Some(0), "{scan}");
        assert_eq!(scan["finding-count"], 0, "{scan}");
    }

    /// Offers a component to `acme`.
    pub fn offer(&self, component: &Component) -> Reply {
        self.offer_to(&self.acme, component)
    }

    fn offer_to(&self, tenant: &Tenant, component: &Component) -> Reply {
        let package = self.bench.publisher.seal(&of_next_version(MANIFEST), &component.bytes());
        tenant.install(&package, None)
    }

    /// Installs a component in `acme`, calls it once, and takes it away again.
    pub fn run(&self, component: &Component) -> Reply {
        self.run_in(&self.acme, component)
    }

    pub fn run_in(&self, tenant: &Tenant, component: &Component) -> Reply {
        self.offer_to(tenant, component).ok();
        let reply = tenant.call("raw/go", &json!({}));
        tenant.operator.delete(&tenant.path("/addons/raw")).ok();
        reply
    }
}

/// A name of this machine's that is none of `localhost`, and means loopback. `None`: its hosts file has no such name; what a
/// resolver answers is proven in `host/egress/src/tests.rs`.
pub fn loopback_name() -> Option<String> {
    let hosts = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
    let names = hosts.lines().filter_map(|line| {
        let mut words = line.split('#').next()?.split_whitespace();
        let address: std::net::IpAddr = words.next()?.parse().ok()?;
        let name = words.find(|name| *name != "localhost")?;
        address.is_loopback().then(|| name.to_owned())
    });
    names.into_iter().next()
}

fn answering_by_path(elsewhere: String) -> Receiver {
    Receiver::start(move |request| match request.path.as_str() {
        "/echo" => Answer::echo(request),
        "/slow" => {
            std::thread::sleep(Duration::from_secs(10));
            Answer::status(200)
        }
        "/huge" => Answer::status(200).body(vec![b'x'; 3 << 20]),
        "/headers" => (0..80)
            .fold(Answer::status(200), |answer, n| answer.header(&format!("x-{n}"), &"v".repeat(4_000))),
        "/redirect" => Answer::status(307).header("location", &elsewhere),
        _ => Answer::status(200).body("{}"),
    })
}
