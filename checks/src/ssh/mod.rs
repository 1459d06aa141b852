//! A machine that is reached by SSH. Its key is known before its first start, and it gets another, in private, once somebody logged in.

mod keys;
mod session;

use trueup_engine::naming::TAG_TOKEN;
use trueup_engine::provider::ProviderError;
use trueup_state::{Request, Value};

use self::keys::Keys;
use self::session::{Session, Unmet};
use crate::asked::Asked;
use crate::check::{Unreached, unkept};
use crate::desk::Desk;
use crate::machine::{Machine, Unreachable};

const REKEY: &str = include_str!("../scripts/rekey.sh");
const PORT: u16 = 22;

/// What a new machine is given so that it can be reached: who may log in, and the key that it is known by.
pub(crate) async fn equipment(request: &Request, asked: &Asked, desk: &Desk) -> Result<Value, ProviderError> {
    let keys = keys(request, desk).await?;
    let host = Value::Map(
        [
            ("private".to_owned(), Value::secret(keys.first.private_text().into())),
            ("public".to_owned(), keys.first.public_line().into()),
        ]
        .into(),
    );
    let mut ssh = vec![
        ("user".to_owned(), user(&request.spec).into()),
        ("authorized_key".to_owned(), keys.login.public_line().into()),
        ("host_key".to_owned(), host),
    ];
    ssh.extend(asked.from.as_ref().map(|from| ("from".to_owned(), from.as_str().into())));
    Ok(Value::Map([("ssh".to_owned(), Value::Map(ssh.into_iter().collect()))].into()))
}

/// Logs in to the machine of a request.
pub(crate) async fn reach(request: &Request, desk: &Desk) -> Result<Box<dyn Machine>, Unreached> {
    let keys = keys(request, desk).await.map_err(Unreached::Never)?;
    let (host, port) = address(&request.attributes).map_err(Unreached::NotNow)?;
    let at = At { host: &host, port, user: user(&request.spec), keys: &keys };
    let mark = format!("ssh/known/{}", token(request));
    let has_lasting = desk.is_marked(&mark).await.map_err(|error| Unreached::Never(unkept(&error)))?;
    let (session, is_first) = at.meet(!has_lasting).await.map_err(Unreached::NotNow)?;
    if is_first {
        let given = session.run(REKEY, keys.lasting.private_text().as_bytes()).await;
        let given = given.and_then(|output| output.good("take another host key"));
        given.map_err(Unreached::NotNow)?;
    }
    if !has_lasting {
        desk.mark(&mark).await.map_err(|error| Unreached::Never(unkept(&error)))?;
    }
    Ok(Box::new(session))
}

/// A machine's way in.
struct At<'a> {
    host: &'a str,
    port: u16,
    user: &'a str,
    keys: &'a Keys,
}

impl At<'_> {
    /// Logs in. Whether the machine has its first key still, which is taken only where it may be.
    async fn meet(&self, may_be_first: bool) -> Result<(Session, bool), Unreachable> {
        let lasting = Session::open(self.host, self.port, self.user, &self.keys.login, &self.keys.lasting).await;
        match lasting {
            Ok(session) => Ok((session, false)),
            Err(Unmet::Stranger) if may_be_first => {
                let first = Session::open(self.host, self.port, self.user, &self.keys.login, &self.keys.first).await;
                first.map(|session| (session, true)).map_err(|unmet| self.unmet(unmet))
            }
            Err(unmet) => Err(self.unmet(unmet)),
        }
    }

    fn unmet(&self, unmet: Unmet) -> Unreachable {
        let Self { host, port, user, .. } = self;
        match unmet {
            Unmet::Stranger => Unreachable(format!(
                "{host}:{port} does not have the host key that Trueup gave it: it may be another machine"
            )),
            Unmet::Refused => Unreachable(format!("{host}:{port} does not let {user} log in with the stack's key")),
            Unmet::Silent(why) => Unreachable(format!("SSH at {host}:{port}: {why}")),
        }
    }
}

async fn keys(request: &Request, desk: &Desk) -> Result<Keys, ProviderError> {
    let seed = desk.seed().await.map_err(|error| unkept(&error))?;
    Ok(Keys::of(&seed, token(request)))
}

/// The token of the operation that made the machine: whatever its address is by now, that stays.
fn token(request: &Request) -> &str {
    request.owner.get(TAG_TOKEN).map_or_else(|| request.token.as_str(), String::as_str)
}

fn user(spec: &Value) -> &str {
    let user = spec.get("ssh").and_then(|ssh| ssh.revealed().get("user"));
    user.and_then(|user| user.revealed().as_str()).unwrap_or("trueup")
}

/// Where a machine answers: what it says itself, else the usual port of its address.
fn address(attributes: &Value) -> Result<(String, u16), Unreachable> {
    let text =
        |name: &str| attributes.get(name).and_then(|text| text.revealed().as_str()).filter(|text| !text.is_empty());
    let said =
        text("ssh").and_then(|said| said.rsplit_once(':')).and_then(|(host, port)| Some((host, port.parse().ok()?)));
    if let Some((host, port)) = said {
        return Ok((host.trim_matches(['[', ']']).to_owned(), port));
    }
    let ip = text("ip").ok_or_else(|| Unreachable("it has no address".to_owned()))?;
    Ok((ip.to_owned(), PORT))
}
