//! `keys`: what keys a folder's node has, and changing them while it does not run.

use std::io::{self, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use data_encoding::BASE32_NOPAD;
use orrery_node::config::TimeSpan;
use orrery_node::delegation::Delegation;
use orrery_node::keys::{Keys, Rotation};
use orrery_node::real::FolderLock;
use orrery_node::revocation::{device_name, device_of};
use orrery_node::store::{Store, StoreError};

use super::args::{KeyKind, KeysAction};
use super::folder::Folder;
use super::print::{print_line, tell, utc};
use super::{Failure, owner, passphrase};

const DAY_MS: u64 = 24 * 60 * 60 * 1000;
/// A week before a certificate ends, it is said.
const WARNING_MS: u64 = 7 * DAY_MS;

/// Does `action` in `folder`, which nothing else may use meanwhile.
pub fn keys(folder: &Folder, action: &KeysAction) -> Result<(), Failure> {
    if matches!(action, KeysAction::Show) {
        return show(&folder.keys()?);
    }
    let passphrase = folder.passphrase()?;
    let new = match action {
        KeysAction::Passphrase { remove: false } => Some(passphrase::new()?),
        KeysAction::Passphrase { remove: true }
        | KeysAction::Show
        | KeysAction::Rotate { .. }
        | KeysAction::Renew { .. }
        | KeysAction::Revoke { .. } => None,
    };
    let lock = FolderLock::take(folder.path())?;
    let keys = folder.keys_under_lock(&lock, passphrase.as_ref())?;
    let heard = Store::newer_serial(&folder.disk()?, keys.identity())
        .map_err(|error| Failure::Disk(error.to_string()))?;
    let keys = keys.having_heard(heard);
    let changed = match action {
        KeysAction::Show => return show(&keys),
        KeysAction::Passphrase { .. } => return folder.save(&keys, new.as_ref()),
        KeysAction::Rotate {
            only,
            valid_for,
            revoke,
            since,
        } => {
            let rotation = match only {
                None => Rotation::BOTH,
                Some(kind) => Rotation {
                    device: *kind == KeyKind::Device,
                    encryption: *kind == KeyKind::Encryption,
                },
            };
            let rotated = keys.rotated(rotation, end_of(folder, &keys, *valid_for)?)?;
            if *revoke {
                let after_ms = last_good_ms(folder, &keys, *since)?;
                rotated.revoked(keys.delegation().device, after_ms)?
            } else {
                rotated
            }
        }
        KeysAction::Renew { valid_for } => {
            let renewal = Rotation {
                device: false,
                encryption: false,
            };
            keys.rotated(renewal, end_of(folder, &keys, *valid_for)?)?
        }
        KeysAction::Revoke { device, since } => {
            let device = device_of(device).map_err(|error| Failure::Input(error.to_string()))?;
            keys.revoked(device, last_good_ms(folder, &keys, *since)?)?
        }
    };
    folder.save(&changed, passphrase.as_ref())?;
    // A hint to a person; where it cannot be shown it is not missed.
    let _ = writeln!(
        io::stderr(),
        "friends hear of it as they pull; give others a new card: orrery-node --dir {} card",
        folder.path().display()
    );
    show(&changed)
}

/// The last moment of a device's logical clock at which what it signed is the owner's: now, or so
/// long ago.
fn last_good_ms(folder: &Folder, keys: &Keys, since: Option<TimeSpan>) -> Result<u64, Failure> {
    let clock_ms = clock_ms(folder, keys)?;
    let Some(since) = since else {
        return Ok(now_ms().max(clock_ms));
    };
    if is_far_ahead(clock_ms) {
        return Err(Failure::Input(format!(
            "--since: the clock of this node's posts shows {}, and all that was posted since it was set \
             ahead would be revoked; leave --since away, or wait until then",
            utc(clock_ms)
        )));
    }
    Ok(now_ms().saturating_sub(since.as_millis_u64()))
}

/// What the clock of the owner's posts shows: it is never set back. The store is opened for it.
fn clock_ms(folder: &Folder, keys: &Keys) -> Result<u64, Failure> {
    let disk = folder.disk()?;
    let failed = |error: StoreError| Failure::Disk(error.to_string());
    let mut store = Store::open(&disk, keys.clone()).map_err(failed)?;
    for event in store.opened().events() {
        owner::tell(&event);
    }
    store.clock_ms().map_err(failed)
}

/// Whether the clock of the owner's posts shows so much more than the machine's that this must be said.
fn is_far_ahead(clock_ms: u64) -> bool {
    clock_ms > now_ms().saturating_add(DAY_MS)
}

/// Tells of a certificate that has ended or soon will: posts made later are refused.
pub fn warn_of_end(keys: &Keys) {
    if let Some(until_ms) = keys.delegation().term.until_ms
        && until_ms < now_ms().saturating_add(WARNING_MS)
    {
        let until = utc(until_ms);
        tracing::warn!(
            until,
            "this device's certificate ends; run `orrery-node keys renew`"
        );
    }
}

/// When a certificate ends that is good for so long, by the clock of the owner's posts: they go by it.
fn end_of(
    folder: &Folder,
    keys: &Keys,
    valid_for: Option<TimeSpan>,
) -> Result<Option<u64>, Failure> {
    let Some(span) = valid_for else {
        return Ok(None);
    };
    let clock_ms = clock_ms(folder, keys)?;
    if is_far_ahead(clock_ms) {
        tell(&format!(
            "the clock of this node's posts shows {}: it was set ahead once, and the certificate's end is \
             counted from there",
            utc(clock_ms)
        ));
    }
    Ok(Some(
        now_ms().max(clock_ms).saturating_add(span.as_millis_u64()),
    ))
}

/// Milliseconds since 1970.
fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}

fn show(keys: &Keys) -> Result<(), Failure> {
    let now = keys.delegation();
    print_line(&format!("identity     {}", keys.identity()))?;
    print_line(&format!("peer         {}", keys.peer()))?;
    print_line(&format!("serial       {}", now.term.serial))?;
    print_line(&format!("device       {}", described(now)))?;
    let encryption = BASE32_NOPAD.encode(&now.encryption.0).to_ascii_lowercase();
    print_line(&format!("encryption   {encryption}"))?;
    for former in keys.former() {
        let mut line = format!("formerly     {}", described(former));
        let mut revoked = keys.revocations().iter();
        if let Some(revoked) = revoked.find(|revoked| revoked.device == former.device) {
            line = format!("{line}, revoked after {}", utc(revoked.after_ms));
        }
        print_line(&line)?;
    }
    Ok(())
}

fn described(delegation: &Delegation) -> String {
    let name = device_name(&delegation.device);
    match delegation.term.until_ms {
        None => name,
        Some(until_ms) => format!("{name}, until {}", utc(until_ms)),
    }
}
