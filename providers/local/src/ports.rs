//! Ports for endpoints, no two alike on this machine.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;

use sha2::{Digest, Sha256};
use trueup_engine::provider::ProviderError;
use trueup_state::Class;

use crate::claims::{Claims, Owner};

/// Below the range that the kernel gives to outgoing connections.
const FIRST: u16 = 20_000;
const COUNT: u16 = 10_000;

/// The port of one replica: the one it has, the one it asks for, or a free one, first tried where its name's hash points, so
/// that an endpoint that is made again mostly comes back at the same place.
pub(crate) fn take(claims: &Claims, owner: &Owner, wanted: Option<u16>) -> Result<u16, ProviderError> {
    let held = claims.hold()?;
    let mine = held.of(&owner.card)?.into_iter().find(|(_, other)| other.part == owner.part);
    if let Some(port) = mine.and_then(|(key, _)| key.parse().ok())
        && wanted.is_none_or(|wanted| wanted == port)
    {
        return Ok(port);
    }
    held.release(&owner.card, |other| other.part != owner.part)?;
    let start = offset(owner);
    let free = (0..COUNT).map(|step| FIRST + (start + step) % COUNT);
    let candidates: Vec<u16> = wanted.map_or_else(|| free.collect(), |wanted| vec![wanted]);
    for port in candidates {
        if held.take(&port.to_string(), owner)? {
            if is_free(port) {
                return Ok(port);
            }
            held.release(&owner.card, |other| other.part != owner.part)?;
        }
    }
    Err(match wanted {
        Some(port) => {
            ProviderError::new(Class::Conflict, format!("the port {port} is taken: leave `port` out for a free one"))
        }
        None => ProviderError::new(Class::NoCapacity, "all ports from 20000 to 29999 are taken".to_owned()),
    })
}

/// Gives up the ports of an object's parts from a position on.
pub(crate) fn release(claims: &Claims, card: &Path, from: u32) -> Result<(), ProviderError> {
    claims.hold()?.release(card, |owner| owner.part < from)
}

fn offset(owner: &Owner) -> u16 {
    let hash = Sha256::digest(owner.card.as_os_str().as_encoded_bytes());
    (u16::from_be_bytes([hash[0], hash[1]]) % COUNT + u16::try_from(owner.part % 1000).unwrap_or(0)) % COUNT
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn owner(directory: &Path, name: &str) -> Owner {
        let card = directory.join(format!("{name}.json"));
        std::fs::write(&card, "{}").unwrap();
        Owner { card, part: 0 }
    }

    #[test]
    fn whoever_has_nothing_to_give_up_holds_the_lock_all_the_same() {
        let directory = tempfile::tempdir().unwrap();
        let claims = Claims::new(&directory.path().join("machine"), "ports");
        let held = claims.hold().unwrap();
        let nobody = directory.path().join("nobody.json");
        held.release(&nobody, |_| false).unwrap();
        let other = std::fs::File::open(directory.path().join("machine")).unwrap();
        let lock = rustix::fs::flock(&other, rustix::fs::FlockOperation::NonBlockingLockExclusive);
        assert_eq!(lock, Err(rustix::io::Errno::WOULDBLOCK));
        drop(held);
        assert!(!directory.path().join("machine").exists(), "nothing empty is left");
    }

    #[test]
    fn many_at_once_get_ports_of_their_own() {
        let directory = tempfile::tempdir().unwrap();
        let claims = Claims::new(&directory.path().join("machine"), "ports");
        let owners: Vec<Owner> = (0..40).map(|n| owner(directory.path(), &n.to_string())).collect();
        let ports: Vec<u16> = std::thread::scope(|scope| {
            let threads: Vec<_> =
                owners.iter().map(|owner| scope.spawn(|| take(&claims, owner, None).unwrap())).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(ports.iter().collect::<BTreeSet<_>>().len(), 40);
        for (owner, port) in owners.iter().zip(&ports) {
            assert_eq!(take(&claims, owner, None).unwrap(), *port, "it keeps the one it has");
        }
    }

    #[test]
    fn a_port_in_use_is_passed_over_and_one_asked_for_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let claims = Claims::new(&directory.path().join("machine"), "ports");
        let first = owner(directory.path(), "a");
        let port = take(&claims, &first, None).unwrap();
        release(&claims, &first.card, 0).unwrap();
        let _busy = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        assert_ne!(take(&claims, &first, None).unwrap(), port);
        assert_eq!(take(&claims, &owner(directory.path(), "b"), Some(port)).unwrap_err().class, Class::Conflict);
    }

    #[test]
    fn the_claim_of_an_object_that_is_gone_is_nobodys() {
        let directory = tempfile::tempdir().unwrap();
        let claims = Claims::new(&directory.path().join("machine"), "ports");
        let gone = owner(directory.path(), "a");
        let port = take(&claims, &gone, None).unwrap();
        std::fs::remove_file(&gone.card).unwrap();
        assert_eq!(take(&claims, &owner(directory.path(), "b"), Some(port)).unwrap(), port);
    }
}
