//! Which of the machine's address ranges is whose.
//!
//! A cluster that is stopped and whose data is kept has its addresses in that data, so no other may take them meanwhile. The record
//! of who has which is the machine's, not a source tree's: one file for each range, with a lock beside it that everybody who
//! uses the range holds a share of. A range is given to another only when its owner is proven to be gone: nobody holds the lock,
//! and the directory is not there any more or has become another reservation's.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use serde::{Deserialize, Serialize};

use super::cgroups;
use super::plan::{Place, SLOTS};
use crate::lock::Lock;
use crate::process::write_atomically;

/// Only root makes nodes, whatever source tree, state and cache it does it from.
const DIRECTORY: &str = "/var/lib/berth/clusters";
/// In a cluster's directory: the other half of the record.
const OWN: &str = "reservation.json";

/// What the registry knows of a range.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    place: Place,
    directory: PathBuf,
    /// The filesystem of the directory: on another one its absence proves nothing.
    device: u64,
    /// Whether a cluster that is stopped goes on having it.
    kept: bool,
}

/// The machine's record of reservations.
#[derive(Clone, Debug)]
pub(super) struct Registry(PathBuf);

/// A place that is this cluster's, as long as it is held and, where the data is kept, afterwards.
#[derive(Debug)]
pub(super) struct Reservation {
    pub(super) place: Place,
    #[expect(dead_code, reason = "the share lives as long as the open file")]
    share: Lock,
}

impl Registry {
    pub(super) fn of_machine() -> Self {
        Self(DIRECTORY.into())
    }

    /// The place that `directory` has from before, or one that nobody has and for which `base` finds addresses that nothing else on
    /// the machine uses. `earlier` is the place of data that is older than this record.
    pub(super) fn reserve(
        &self,
        directory: &Path,
        kept: bool,
        earlier: Option<u8>,
        base: impl Fn(u8) -> Option<u8>,
    ) -> anyhow::Result<Reservation> {
        let _alone = self.alone()?;
        fs::create_dir_all(directory).with_context(|| format!("{} cannot be made", directory.display()))?;
        let directory = fs::canonicalize(directory).context("the cluster's directory is gone")?;
        let before = own(&directory).filter(|_| kept);
        let earlier = earlier.filter(|_| kept).map(|slot| Place::new(slot, Place::FIRST_BASE)).transpose()?;
        let place = match before.or(earlier) {
            Some(place) => self.again(place, &directory)?,
            None => self.free_place(base)?,
        };
        let device = fs::metadata(&directory).context("the cluster's directory is gone")?.dev();
        write_atomically(&directory.join(OWN), serde_json::to_vec(&place)?)?;
        let record = Record { place: place.clone(), directory, device, kept };
        write_atomically(&self.file(place.slot), serde_json::to_vec_pretty(&record)?)?;
        self.take(place)
    }

    /// A share of the lock, for the supervisor: the place is in use as long as it runs, whoever started it.
    pub(super) fn hold(&self, place: &Place) -> anyhow::Result<Lock> {
        let _alone = self.alone()?;
        let record = self.record(place.slot);
        ensure!(record.is_some_and(|record| record.place == *place), "the cluster's addresses are another's");
        Lock::share(&self.lock_file(place.slot))
    }

    /// Gives up what a cluster had whose data is gone.
    pub(super) fn release(&self, place: &Place) -> anyhow::Result<()> {
        let _alone = self.alone()?;
        cgroups::remove(place);
        if self.record(place.slot).is_some_and(|record| record.place == *place) {
            fs::remove_file(self.file(place.slot)).context("a reservation cannot be removed")?;
        }
        Ok(())
    }

    /// Gives up what clusters had in a directory, or below it, that is going to be removed. Those that run are left alone.
    pub(super) fn release_below(&self, directory: &Path) -> anyhow::Result<()> {
        for record in (0..SLOTS).filter_map(|slot| self.record(slot)) {
            if record.directory.starts_with(directory) && self.unused(record.place.slot)?.is_some() {
                self.release(&record.place)?;
            }
        }
        Ok(())
    }

    /// Gives up what killed clusters had.
    pub(super) fn remove_abandoned(&self) {
        let Ok(_alone) = self.alone() else { return };
        for slot in 0..SLOTS {
            // What cannot be looked at is taken.
            let _ = self.is_free(slot);
        }
    }

    /// The place that is written in kept data, unless another cluster has it by now.
    fn again(&self, place: Place, directory: &Path) -> anyhow::Result<Place> {
        let record = self.record(place.slot);
        let ours = record.is_some_and(|record| record.place == place && record.directory == directory);
        // Whether its cluster still runs is for the caller to know: shares may be held by whoever once started it.
        if !ours {
            ensure!(
                place.slot < SLOTS && self.is_free(place.slot)?,
                "the kept data of {} needs the addresses {}/30, which another cluster has: stop and purge that one, or purge this one",
                directory.display(),
                place.host_address()
            );
        }
        Ok(place)
    }

    fn free_place(&self, base: impl Fn(u8) -> Option<u8>) -> anyhow::Result<Place> {
        for slot in 0..SLOTS {
            if self.is_free(slot)?
                && let Some(base) = base(slot)
            {
                return Place::new(slot, base);
            }
        }
        bail!(
            "none of the {SLOTS} address ranges is free; {} says who has them, and a file there of a cluster that is gone may be removed",
            self.0.display()
        )
    }

    /// Whether nobody has the slot. What a cluster had that is proven to be gone is removed on the way.
    fn is_free(&self, slot: u8) -> anyhow::Result<bool> {
        let Some(lock) = self.unused(slot)? else { return Ok(false) };
        let Some(record) = self.record(slot) else { return Ok(!self.file(slot).exists()) };
        let gone = !record.kept || is_gone(&record);
        if gone {
            cgroups::remove(&record.place);
            fs::remove_file(self.file(slot)).context("an old reservation cannot be removed")?;
        }
        drop(lock);
        Ok(gone)
    }

    fn take(&self, place: Place) -> anyhow::Result<Reservation> {
        let share = Lock::share(&self.lock_file(place.slot))?;
        Ok(Reservation { place, share })
    }

    /// Held while something is decided.
    fn alone(&self) -> anyhow::Result<Lock> {
        Lock::wait(&self.0.join("registry.lock"))
    }

    /// The slot's lock, when nobody has a share of it.
    fn unused(&self, slot: u8) -> anyhow::Result<Option<Lock>> {
        Lock::attempt(&self.lock_file(slot))
    }

    fn record(&self, slot: u8) -> Option<Record> {
        serde_json::from_slice(&fs::read(self.file(slot)).ok()?).ok()
    }

    fn file(&self, slot: u8) -> PathBuf {
        self.0.join(format!("{slot}.json"))
    }

    fn lock_file(&self, slot: u8) -> PathBuf {
        self.0.join(format!("{slot}.lock"))
    }
}

/// What a cluster's directory says that it has.
fn own(directory: &Path) -> Option<Place> {
    serde_json::from_slice(&fs::read(directory.join(OWN)).ok()?).ok()
}

/// Whether the kept data of a reservation is proven to be there no more.
fn is_gone(record: &Record) -> bool {
    match fs::metadata(&record.directory) {
        Ok(_) => own(&record.directory).is_some_and(|place| place != record.place),
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => {
            // A filesystem that is not mounted now hides a directory, but does not remove it.
            let above = record.directory.ancestors().find_map(|above| fs::metadata(above).ok());
            above.is_some_and(|above| above.dev() == record.device)
        }
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registry() -> (tempfile::TempDir, Registry) {
        let dir = tempfile::tempdir().expect("a directory");
        let registry = Registry(dir.path().join("registry"));
        (dir, registry)
    }

    fn reserve(registry: &Registry, directory: &Path, kept: bool) -> anyhow::Result<Reservation> {
        registry.reserve(directory, kept, None, |_| Some(Place::FIRST_BASE))
    }

    #[test]
    fn a_stopped_cluster_whose_data_is_kept_goes_on_having_its_addresses() {
        let (dir, registry) = registry();
        let (up, test) = (dir.path().join("up"), dir.path().join("test"));
        let first = reserve(&registry, &up, true).expect("the first").place;
        let other = reserve(&registry, &test, false).expect("one that starts meanwhile");
        assert_ne!(other.place.slot, first.slot);
        assert_eq!(reserve(&registry, &up, true).expect("it starts again").place, first);
    }

    #[test]
    fn what_a_killed_test_had_is_given_to_the_next_and_what_a_living_one_has_is_not() {
        let (dir, registry) = registry();
        let lives = reserve(&registry, &dir.path().join("lives"), false).expect("reserved");
        let killed = reserve(&registry, &dir.path().join("killed"), false).expect("reserved");
        let slot = killed.place.slot;
        drop(killed);
        let next = reserve(&registry, &dir.path().join("next"), false).expect("reserved");
        assert_eq!(next.place.slot, slot);
        assert_ne!(lives.place.slot, slot);
    }

    #[test]
    fn the_supervisors_share_alone_keeps_a_place() {
        let (dir, registry) = registry();
        let started = reserve(&registry, &dir.path().join("one"), false).expect("reserved");
        let share = registry.hold(&started.place).expect("a share");
        let place = started.place.clone();
        drop(started);
        let other = reserve(&registry, &dir.path().join("two"), false).expect("reserved");
        assert_ne!(other.place.slot, place.slot);
        drop(share);
        drop(other);
        let third = reserve(&registry, &dir.path().join("three"), false).expect("reserved");
        assert_eq!(third.place.slot, place.slot);
        registry.hold(&place).expect_err("it is another's by now");
    }

    #[test]
    fn kept_data_loses_its_place_only_when_it_is_proven_to_be_gone() {
        let (dir, registry) = registry();
        let up = dir.path().join("up");
        let place = reserve(&registry, &up, true).expect("reserved").place;
        let free = || registry.is_free(place.slot).expect("looked at");
        assert!(!free(), "its directory is there");
        let mut record = registry.record(place.slot).expect("a record");
        fs::remove_dir_all(&up).expect("removed");
        record.device += 1;
        let text = serde_json::to_vec(&record).expect("JSON");
        fs::write(registry.file(place.slot), text).expect("written");
        assert!(!free(), "its filesystem may be one that is not mounted now");
        record.device -= 1;
        fs::write(registry.file(place.slot), serde_json::to_vec(&record).expect("JSON")).expect("written");
        assert!(free(), "it was removed by hand");
    }

    #[test]
    fn a_copy_of_kept_data_does_not_take_the_addresses_of_the_original() {
        let (dir, registry) = registry();
        let (up, copy) = (dir.path().join("up"), dir.path().join("copy"));
        let place = reserve(&registry, &up, true).expect("reserved").place;
        fs::create_dir(&copy).expect("made");
        fs::copy(up.join(OWN), copy.join(OWN)).expect("copied");
        reserve(&registry, &copy, true).expect_err("its addresses are the original's");
        fs::remove_dir_all(&up).expect("removed");
        assert_eq!(reserve(&registry, &copy, true).expect("nobody has them now").place, place);
    }

    #[test]
    fn data_of_before_there_was_a_record_keeps_its_slot() {
        let (dir, registry) = registry();
        let base = |_: u8| Some(Place::FIRST_BASE);
        let up = dir.path().join("up");
        let place = registry.reserve(&up, true, Some(7), base).expect("reserved").place;
        assert_eq!((place.slot, place.host_address().to_string()), (7, "10.88.7.1".to_owned()));
        registry.reserve(&dir.path().join("two"), true, Some(7), base).expect_err("taken");
    }

    #[test]
    fn a_record_that_cannot_be_read_is_somebodys() {
        let (dir, registry) = registry();
        fs::create_dir_all(&registry.0).expect("made");
        fs::write(registry.file(0), "from another version").expect("written");
        let place = reserve(&registry, &dir.path().join("one"), false).expect("reserved").place;
        assert_eq!(place.slot, 1);
    }

    #[test]
    fn purged_data_gives_its_place_back_and_running_clusters_keep_theirs() {
        let (dir, registry) = registry();
        let stopped = reserve(&registry, &dir.path().join("state/one"), true).expect("reserved").place;
        let runs = reserve(&registry, &dir.path().join("state/two"), true).expect("reserved");
        let below = fs::canonicalize(dir.path()).expect("it is there").join("state");
        registry.release_below(&below).expect("released");
        assert_eq!(registry.record(stopped.slot), None);
        assert!(registry.record(runs.place.slot).is_some());
    }

    #[test]
    fn a_range_that_something_else_uses_is_passed_over() {
        let (dir, registry) = registry();
        let base = |slot: u8| (slot != 0).then_some(Place::FIRST_BASE);
        let reserved = registry.reserve(&dir.path().join("one"), false, None, base).expect("reserved");
        assert_eq!(reserved.place.slot, 1);
    }
}
