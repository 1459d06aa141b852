//! One replica of an endpoint: started, watched until it is healthy, and stopped.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use trueup_engine::kinds::endpoint::{Health, Spec};
use trueup_engine::provider::ProviderError;
use trueup_state::{Class, Timestamp};

use crate::claims::Owner;
use crate::endpoint::{Endpoints, Plan};
use crate::process::{self, Launch, MARKER, Process};
use crate::work::{CardOf, Work};
use crate::{gpus, health, ports};

/// What is noted of one replica.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Replica {
    /// Its position, from 0.
    pub(crate) index: u32,
    /// Its process.
    pub(crate) process: Process,
    /// What it was started with.
    pub(crate) fingerprint: String,
    port: u16,
    since: Timestamp,
    /// Where in the log its own lines begin.
    log_from: u64,
    /// What it ran when it was first found healthy: it may have become another program by then. None before.
    healthy_as: Option<Vec<String>>,
    /// When it was told to stop.
    stopping: Option<Timestamp>,
}

/// How a replica is after it was looked after.
pub(crate) enum Tended {
    /// As it should be.
    Up,
    /// On its way there.
    Busy(String),
}

impl Replica {
    /// Where it answers.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Whether it runs and answers. Asked twice, since a busy one may miss once.
    pub(crate) fn works(&self, health: &Health) -> bool {
        let timeout = health.timeout.duration().min(Duration::from_secs(3));
        self.process.is_alive() && (0..2).any(|_| health::answers(self.port, &health.path, timeout))
    }

    /// What it runs, where that is not what it ran when it was found healthy.
    pub(crate) fn altered_command(&self) -> Option<Vec<String>> {
        let now = self.process.command()?;
        self.healthy_as.as_ref().filter(|known| **known != now).map(|_| now)
    }
}

impl Endpoints {
    /// Brings one replica nearer to running what the plan says, and well.
    pub(crate) fn tend(
        &self,
        card: &mut CardOf<Self>,
        index: u32,
        plan: &Plan,
        spec: &Spec,
    ) -> Result<Tended, ProviderError> {
        let Some(replica) = card.data.replicas.iter().find(|replica| replica.index == index).cloned() else {
            return self.start(card, index, plan);
        };
        let current = replica.fingerprint == plan.fingerprint && replica.stopping.is_none();
        let alive = replica.process.is_alive();
        let fresh = replica.healthy_as.is_none();
        match (alive, current) {
            (true, true) if fresh => self.await_health(card, &replica, plan, spec),
            (true, true) if replica.works(&spec.health) && replica.altered_command().is_none() => Ok(Tended::Up),
            (true, _) => {
                if self.stop(card, index)? {
                    return self.start(card, index, plan);
                }
                Ok(Tended::Busy(format!("stopping replica {index}")))
            }
            (false, true) if fresh => {
                let message = format!("replica {index} ended as it started{}", self.last_words(card, &replica, plan));
                self.give_up(card, index);
                Err(ProviderError::new(Class::Invalid { field: Some("command".to_owned()) }, message)
                    .code("ReplicaEnded"))
            }
            (false, _) => self.start(card, index, plan),
        }
    }

    fn start(&self, card: &mut CardOf<Self>, index: u32, plan: &Plan) -> Result<Tended, ProviderError> {
        let marker = self.marker(&card.name, Some(index));
        // One that was started right before a crash, and stands on no card, or what an ended one left running.
        process::end_marked(&marker);
        let owner = Owner { card: self.cards().path(&card.name), part: index };
        let port = ports::take(&self.ports, &owner, plan.port.filter(|_| index == 0))?;
        let mut environment = plan.environment.clone();
        environment.insert("PORT".to_owned(), port.to_string());
        environment.insert(MARKER.to_owned(), marker);
        if let Some(gpu) = &plan.gpu {
            let given = gpus::take(&self.gpu_claims, &*self.discovery, &owner, gpu)?;
            environment.insert("CUDA_VISIBLE_DEVICES".to_owned(), gpus::visible(&given));
        }
        let command: Vec<String> = plan.command.iter().map(|part| part.replace("{port}", &port.to_string())).collect();
        let log = self.log(&card.name, index);
        let log_from = std::fs::metadata(&log).map_or(0, |metadata| metadata.len());
        let launch = Launch { command: &command, directory: &plan.directory, environment: &environment, log: &log };
        let process = process::start(&launch).map_err(|error| {
            let message = format!("could not start `{}`: {error}", command.first().map_or("", String::as_str));
            ProviderError::new(Class::Invalid { field: Some("command".to_owned()) }, message)
        })?;
        card.data.replicas.retain(|replica| replica.index != index);
        card.data.replicas.push(Replica {
            index,
            process,
            fingerprint: plan.fingerprint.clone(),
            port,
            since: self.clock.now(),
            log_from,
            healthy_as: None,
            stopping: None,
        });
        card.data.replicas.sort_by_key(|replica| replica.index);
        self.cards().write(card)?;
        Ok(Tended::Busy(format!("starting replica {index}")))
    }

    fn await_health(
        &self,
        card: &mut CardOf<Self>,
        replica: &Replica,
        plan: &Plan,
        spec: &Spec,
    ) -> Result<Tended, ProviderError> {
        let index = replica.index;
        let timeout = spec.health.timeout.duration().min(Duration::from_secs(3));
        if health::answers(replica.port, &spec.health.path, timeout) && replica.process.is_alive() {
            let command = replica.process.command();
            if let Some(known) = card.data.replicas.iter_mut().find(|replica| replica.index == index) {
                known.healthy_as = command;
            }
            return Ok(Tended::Up);
        }
        if self.clock.now().since(replica.since) <= spec.health.start_timeout.duration() {
            return Ok(Tended::Busy(format!("waiting for replica {index} to answer {}", spec.health.path)));
        }
        let message = format!(
            "replica {index} did not answer {} with 200 within {}{}",
            spec.health.path,
            spec.health.start_timeout,
            self.last_words(card, replica, plan)
        );
        replica.process.stop(true);
        process::end_marked(&self.marker(&card.name, Some(index)));
        self.give_up(card, index);
        Err(ProviderError::new(Class::Invalid { field: Some("health".to_owned()) }, message).code("NotHealthy"))
    }

    /// Forgets a replica that failed to start, so that the next run tries again.
    fn give_up(&self, card: &mut CardOf<Self>, index: u32) {
        process::end_marked(&self.marker(&card.name, Some(index)));
        card.data.replicas.retain(|replica| replica.index != index);
    }

    /// Tells a replica to stop, and makes it when its time is over. Whether it is gone.
    pub(crate) fn stop(&self, card: &mut CardOf<Self>, index: u32) -> Result<bool, ProviderError> {
        let grace = card.spec.health.stop_timeout.duration();
        let (now, never_ready) = (self.clock.now(), !card.ready);
        let Some(replica) = card.data.replicas.iter_mut().find(|replica| replica.index == index) else {
            return Ok(true);
        };
        match replica.stopping {
            _ if !replica.process.is_alive() => {
                process::end_marked(&self.marker(&card.name, Some(index)));
                return Ok(true);
            }
            // Nobody relies on one that never answered.
            _ if never_ready => replica.process.stop(true),
            None => {
                replica.stopping = Some(now);
                replica.process.stop(false);
            }
            Some(since) if now.since(since) >= grace => replica.process.stop(true),
            Some(_) => {}
        }
        self.cards().write(card)?;
        Ok(false)
    }

    fn log(&self, name: &str, index: u32) -> std::path::PathBuf {
        self.path(name).join(format!("replica-{index}.log"))
    }

    /// The end of what a replica said since it was started, without what its environment holds.
    fn last_words(&self, card: &CardOf<Self>, replica: &Replica, plan: &Plan) -> String {
        let mut text = match tail(&self.log(&card.name, replica.index), replica.log_from) {
            Tail::Lines(text) => text,
            Tail::OneLine(length) => {
                let why = "a piece of a secret may be among them";
                return format!("; its last line has more than {length} bytes, which are left out: {why}");
            }
        };
        let variables = plan.environment.iter().filter(|(name, _)| *name != "MODEL");
        for value in variables.map(|(_, value)| value).filter(|value| value.len() >= 4) {
            text = text.replace(value.as_str(), "(env)");
        }
        if text.is_empty() { "; it said nothing".to_owned() } else { format!("; it said:\n{text}") }
    }
}

/// The end of a log.
enum Tail {
    /// Its last lines.
    Lines(String),
    /// None of them is short enough: the last has more than so many bytes.
    OneLine(usize),
}

/// The last 20 lines of a log, from a position on and of 4 KiB at most. Only whole ones: of a line that is cut, what is left may be a
/// piece of a secret that nobody knows again.
fn tail(log: &Path, from: u64) -> Tail {
    let read = || {
        let mut file = File::open(log)?;
        let end = file.metadata()?.len();
        let start = from.max(end.saturating_sub(4096)).min(end);
        file.seek(SeekFrom::Start(start))?;
        let mut text = Vec::new();
        file.read_to_end(&mut text)?;
        let cut = if start > from { text.iter().position(|byte| *byte == b'\n').unwrap_or(text.len()) } else { 0 };
        let whole = String::from_utf8_lossy(&text[cut..]).trim_start_matches('\n').to_owned();
        std::io::Result::Ok(if cut > 0 && whole.is_empty() { Tail::OneLine(cut) } else { Tail::Lines(whole) })
    };
    match read() {
        Ok(Tail::Lines(text)) => {
            let lines: Vec<&str> = text.lines().collect();
            Tail::Lines(lines[lines.len().saturating_sub(20)..].join("\n"))
        }
        Ok(one) => one,
        Err(_) => Tail::Lines(String::new()),
    }
}
