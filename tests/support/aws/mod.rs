//! An AWS of one's own for each test: an account in moto, behind a proxy that does what moto does not and misbehaves as told, and an
//! observer that asks it through boto3.

pub(crate) mod proxy;

use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError};

use serde_json::{Value as Json, json};

use crate::python::python;
use crate::script::Script;
use proxy::Proxy;

/// The region where a test says no other.
pub(crate) const REGION: &str = "us-east-1";

/// What all tests of this process share: who serves, at which ports, and the observer.
struct Shared {
    moto: u16,
    cloud_control: u16,
    /// Who serves moto, and what else.
    servers: Mutex<[Script; 2]>,
    boto: Mutex<Script>,
}

/// The Python that has moto, boto3 and AWS's schemas.
pub(crate) fn tools() -> Option<PathBuf> {
    python("aws", include_str!("moto.txt"))
}

static SHARED: LazyLock<Option<Shared>> = LazyLock::new(|| {
    let python = tools()?;
    let port = |server: &mut Script| server.line().trim().parse::<u16>().expect("it says its port");
    let boto = Mutex::new(Script::start(&python, "aws/observe.py", &[]));
    let mut moto = Script::start(&python, "aws/serve_moto.py", &[]);
    let moto_port = port(&mut moto);
    let mut types = Script::start(&python, "aws/serve_cloudcontrol.py", &[moto_port.to_string()]);
    Some(Shared { moto: moto_port, cloud_control: port(&mut types), servers: Mutex::new([moto, types]), boto })
});

/// An account of its own.
pub(crate) struct Aws {
    /// What stands before it.
    pub(crate) proxy: Proxy,
    shared: &'static Shared,
    /// Its number.
    pub(crate) account: String,
}

impl Aws {
    /// A new account, empty; none where it can't be had.
    pub(crate) fn start() -> Option<Self> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let shared = SHARED.as_ref()?;
        let account = format!("{:012}", 100_000_000_000 + COUNT.fetch_add(1, Ordering::Relaxed));
        Some(Self { proxy: Proxy::start(shared.moto, shared.cloud_control, &account), shared, account })
    }

    /// What the environment says of it.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        [
            ("AWS_ENDPOINT_URL", self.proxy.url.as_str()),
            ("AWS_ACCESS_KEY_ID", "tester"),
            ("AWS_SECRET_ACCESS_KEY", "tester"),
            ("AWS_REGION", REGION),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }

    /// What boto3 is answered, or `{"error": CODE}`.
    pub(crate) fn boto(&self, service: &str, call: &str, with: Json) -> Json {
        self.boto_in(REGION, service, call, with)
    }

    /// The next work of types, in this order, is taken and fails with these codes of handlers; `Nothing`: it succeeds, and nothing
    /// was done; `Fine`: it goes on as ever.
    pub(crate) fn fails_later(&self, codes: &[&str]) {
        self.boto("told", "", json!({ "fail": codes }));
    }

    /// From now on there are these container images too.
    pub(crate) fn has_images(&self, images: &[&str]) {
        self.boto("told", "", json!({ "images": images }));
    }

    /// EC2 does something by itself, as `moto_ec2.py` has it.
    pub(crate) fn machines_are_told(&self, region: &str, told: &Json) {
        let line = json!({ "account": self.account, "region": region, "told": told });
        let mut servers = self.shared.servers.lock().unwrap_or_else(PoisonError::into_inner);
        writeln!(servers[0].input, "{line}").unwrap();
        assert_eq!(servers[0].line().trim(), "");
    }

    /// The same in another region.
    pub(crate) fn boto_in(&self, region: &str, service: &str, call: &str, with: Json) -> Json {
        let asked = json!({ "endpoint": self.proxy.observer_url(), "region": region, "service": service, "call": call, "with": with });
        let mut boto = self.shared.boto.lock().unwrap_or_else(PoisonError::into_inner);
        writeln!(boto.input, "{asked}").unwrap();
        serde_json::from_str(&boto.line()).unwrap()
    }
}
