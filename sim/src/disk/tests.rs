use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::time::Duration;

use proptest::prelude::*;

use super::*;

fn disk() -> SimDisk {
    let disk = SimDisk::new(DiskConfig::default());
    disk.begin(SimTime::ZERO);
    disk
}

fn content(disk: &SimDisk, path: &str) -> Vec<u8> {
    let file = disk.open(path, false).expect("the file exists");
    let mut bytes = vec![0; file.len().expect("it is open") as usize];
    file.read_at(0, &mut bytes).expect("it is that long");
    bytes
}

/// Cuts the power when all operations have completed.
fn cut(disk: &SimDisk) {
    disk.power_cut(SimTime::MAX);
    disk.begin(SimTime::ZERO);
}

fn kind<T>(result: io::Result<T>) -> Option<ErrorKind> {
    result.err().map(|error| error.kind())
}

#[test]
fn only_synced_bytes_survive() {
    let disk = disk();
    let file = disk.open("a", true).expect("it is created");
    disk.sync_dir("").expect("the root exists");
    file.write_at(0, b"one").expect("there is room");
    file.sync().expect("it works");
    file.write_at(1, b"xyz").expect("there is room");
    assert_eq!(content(&disk, "a"), b"oxyz");
    cut(&disk);
    assert_eq!(content(&disk, "a"), b"one");
    assert_eq!(disk.stats().lost_bytes, 3);
}

#[test]
fn a_synced_file_without_a_synced_name_is_gone() {
    let disk = disk();
    let file = disk.open("a", true).expect("it is created");
    file.write_at(0, b"one").expect("there is room");
    file.sync().expect("it works");
    cut(&disk);
    assert_eq!(kind(disk.open("a", false)), Some(ErrorKind::NotFound));
    assert_eq!(disk.stats().lost_names, 1);
}

#[test]
fn folders_are_names_too() {
    for synced in [false, true] {
        let disk = disk();
        disk.create_dir_all("a/b").expect("nothing is in the way");
        disk.open("a/b/c", true).expect("it is created");
        disk.sync_dir("a/b").expect("it exists");
        disk.sync_dir("a").expect("it exists");
        if synced {
            disk.sync_dir("").expect("it exists");
        }
        cut(&disk);
        let names = disk.list("a/b").expect("listing works");
        assert_eq!(names.len(), usize::from(synced));
    }
}

#[test]
fn an_unsynced_rename_is_undone_and_an_unsynced_removal_too() {
    let disk = disk();
    for name in ["a", "b"] {
        let file = disk.open(name, true).expect("it is created");
        file.write_at(0, name.as_bytes()).expect("there is room");
        file.sync().expect("it works");
    }
    disk.sync_dir("").expect("the root exists");
    disk.rename("a", "b").expect("both are files");
    assert_eq!(content(&disk, "b"), b"a");
    disk.remove("b").expect("it exists");
    cut(&disk);
    assert_eq!(
        (content(&disk, "a"), content(&disk, "b")),
        (b"a".to_vec(), b"b".to_vec())
    );
    disk.rename("a", "b").expect("both are files");
    disk.sync_dir("").expect("the root exists");
    cut(&disk);
    assert_eq!(disk.list("").expect("listing works"), ["b"]);
    assert_eq!(content(&disk, "b"), b"a");
}

#[test]
fn a_file_cut_and_grown_again_holds_zeroes_between() {
    let disk = disk();
    let file = disk.open("a", true).expect("it is created");
    disk.sync_dir("").expect("the root exists");
    file.write_at(0, &vec![7; 20_000]).expect("there is room");
    file.sync().expect("it works");
    for len in [5_000, 20_000, 15_000, 20_000] {
        file.set_len(len).expect("it is short enough");
    }
    file.sync().expect("it works");
    cut(&disk);
    let bytes = content(&disk, "a");
    assert_eq!(bytes.len(), 20_000);
    assert!(bytes[..5_000].iter().all(|&byte| byte == 7));
    assert!(bytes[5_000..].iter().all(|&byte| byte == 0));
}

#[test]
fn a_sync_counts_from_its_completion_on() {
    for (early, kept) in [(1, 0), (0, 3)] {
        let disk = disk();
        let file = disk.open("a", true).expect("it is created");
        disk.sync_dir("").expect("the root exists");
        file.write_at(0, b"one").expect("there is room");
        file.sync().expect("it works");
        let done = SimTime::ZERO + disk.end();
        disk.power_cut(SimTime::from_nanos(done.as_nanos() - early));
        assert_eq!(content(&disk, "a").len(), kept);
    }
}

#[test]
fn times_add_up_and_jobs_wait_for_each_other() {
    let disk = disk();
    let file = disk.open("a", true).expect("it is created");
    file.write_at(0, &vec![1; 8_192]).expect("there is room");
    file.sync().expect("it works");
    // Three operations, one sync, two pages at 200 MB/s.
    let expected = Duration::from_nanos(3 * 5_000 + 1_000_000 + 40_960);
    assert_eq!(disk.end(), expected);
    disk.begin(SimTime::from_nanos(1_000));
    file.len().expect("it is open");
    assert_eq!(disk.end(), expected + Duration::from_micros(4));
    disk.begin(SimTime::from_secs(1));
    assert_eq!(disk.end(), Duration::ZERO);
}

#[test]
fn files_opened_before_a_cut_are_of_no_use() {
    let disk = disk();
    let file = disk.open("a", true).expect("it is created");
    cut(&disk);
    assert_eq!(kind(file.write_at(0, b"x")), Some(ErrorKind::BrokenPipe));
    assert_eq!(kind(file.sync()), Some(ErrorKind::BrokenPipe));
}

#[test]
fn mistakes_are_told_apart() {
    let disk = disk();
    disk.create_dir_all("d").expect("nothing is in the way");
    let file = disk.open("f", true).expect("it is created");
    let check = |got: Option<ErrorKind>, expected| assert_eq!(got, Some(expected));
    check(kind(disk.open("missing", false)), ErrorKind::NotFound);
    check(kind(disk.open("no/folder", true)), ErrorKind::NotFound);
    check(kind(disk.open("d", true)), ErrorKind::IsADirectory);
    check(kind(disk.open("f/x", true)), ErrorKind::NotADirectory);
    check(kind(disk.create_dir_all("f/x")), ErrorKind::NotADirectory);
    check(kind(disk.rename("missing", "g")), ErrorKind::NotFound);
    check(kind(disk.rename("f", "d")), ErrorKind::IsADirectory);
    check(kind(disk.remove("d")), ErrorKind::IsADirectory);
    check(kind(disk.sync_dir("missing")), ErrorKind::NotFound);
    for path in ["/f", "d/", "d//f", "../f", "./f"] {
        check(kind(disk.open(path, true)), ErrorKind::InvalidInput);
        check(kind(disk.list(path)), ErrorKind::InvalidInput);
    }
    check(kind(file.read_at(0, &mut [0])), ErrorKind::UnexpectedEof);
    check(
        kind(file.read_at(u64::MAX, &mut [0])),
        ErrorKind::UnexpectedEof,
    );
    check(
        kind(file.write_at(FILE_BYTES_MAX, b"x")),
        ErrorKind::FileTooLarge,
    );
    check(kind(file.write_at(u64::MAX, b"x")), ErrorKind::FileTooLarge);
    check(
        kind(file.set_len(FILE_BYTES_MAX + 1)),
        ErrorKind::FileTooLarge,
    );
    assert!(disk.list("missing").expect("empty").is_empty());
}

#[test]
fn the_journal_is_empty_once_time_has_passed() {
    let disk = disk();
    let file = disk.open("a", true).expect("it is created");
    for i in 0..100u64 {
        disk.begin(SimTime::from_secs(i));
        file.write_at(i, b"x").expect("there is room");
        file.sync().expect("it works");
    }
    disk.begin(SimTime::from_secs(1_000));
    assert_eq!(
        format!("{:?}", disk.lock().journal),
        "Journal { records: [] }"
    );
}

const NAMES: [&str; 3] = ["a", "b", "c"];
const FOLDERS: [&str; 3] = ["", "d", "d/e"];

#[derive(Debug, Clone)]
enum Step {
    Write(usize, usize, u64, usize),
    SetLen(usize, usize, u64),
    Sync(usize, usize),
    CreateDir(usize),
    Rename((usize, usize), (usize, usize)),
    Remove(usize, usize),
    SyncDir(usize),
    Wait(u64),
    Cut,
}

fn steps() -> impl Strategy<Value = Step> {
    let (folder, name) = (0usize..3, 0usize..3);
    // Mostly one file, so that operations meet.
    let place = || prop_oneof![3 => Just((0, 0)), 2 => (0usize..3, 0usize..3)];
    prop_oneof![
        8 => (place(), 0u64..20_000, 1usize..9_000)
            .prop_map(|((f, n), at, len)| Step::Write(f, n, at, len)),
        3 => (place(), 0u64..20_000).prop_map(|((f, n), len)| Step::SetLen(f, n, len)),
        5 => place().prop_map(|(f, n)| Step::Sync(f, n)),
        3 => folder.prop_map(Step::CreateDir),
        3 => (place(), place()).prop_map(|(from, to)| Step::Rename(from, to)),
        2 => place().prop_map(|(f, n)| Step::Remove(f, n)),
        5 => name.prop_map(Step::SyncDir),
        4 => (0u64..3_000_000).prop_map(Step::Wait),
        1 => Just(Step::Cut),
    ]
}

/// The reference: folders and files by number, everything copied.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Image {
    folders: BTreeMap<usize, BTreeMap<String, Target>>,
    files: BTreeMap<usize, Vec<u8>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    File(usize),
    Folder(usize),
}

#[derive(Debug, Default)]
struct Model {
    visible: Image,
    durable: Image,
    /// The durable image after each sync, by completion.
    history: Vec<(SimTime, Image)>,
    made: usize,
}

impl Model {
    fn folder(&self, path: &str) -> Option<usize> {
        let mut at = 0;
        for part in path.split('/').filter(|part| !part.is_empty()) {
            match self.visible.folders.get(&at)?.get(part)? {
                Target::Folder(id) => at = *id,
                Target::File(_) => return None,
            }
        }
        Some(at)
    }

    fn names(&mut self, folder: usize) -> &mut BTreeMap<String, Target> {
        self.visible.folders.entry(folder).or_default()
    }

    fn file(&mut self, folder: usize, name: &str) -> usize {
        let fresh = self.made + 1;
        match self
            .names(folder)
            .entry(name.to_owned())
            .or_insert(Target::File(fresh))
        {
            Target::File(id) if *id == fresh => {
                self.made = fresh;
                fresh
            }
            Target::File(id) => *id,
            Target::Folder(_) => unreachable!("files and folders have different names"),
        }
    }

    fn create_dir(&mut self, path: &str) {
        let mut at = 0;
        for part in path.split('/').filter(|part| !part.is_empty()) {
            let fresh = self.made + 1;
            let Target::Folder(id) = *self
                .names(at)
                .entry(part.to_owned())
                .or_insert(Target::Folder(fresh))
            else {
                unreachable!("files and folders have different names");
            };
            self.made = self.made.max(id);
            at = id;
        }
    }

    fn cut(&mut self, now: SimTime) {
        let survived = self.history.iter().rev().find(|(done, _)| *done <= now);
        self.durable = survived.map(|(_, image)| image.clone()).unwrap_or_default();
        self.visible = self.durable.clone();
        self.history = vec![(SimTime::ZERO, self.durable.clone())];
    }
}

/// Does `step` to both; the disk says when it completed.
fn apply(disk: &SimDisk, model: &mut Model, now: &mut SimTime, step: &Step) {
    let path = |folder: usize, name: usize| match FOLDERS[folder] {
        "" => NAMES[name].to_owned(),
        above => format!("{above}/{}", NAMES[name]),
    };
    disk.begin(*now);
    match *step {
        Step::Write(folder, name, at, len) => {
            let opened = disk.open(&path(folder, name), true);
            assert_eq!(opened.is_ok(), model.folder(FOLDERS[folder]).is_some());
            let (Ok(file), Some(id)) = (opened, model.folder(FOLDERS[folder])) else {
                return;
            };
            let data: Vec<u8> = (0..len).map(|i| (i as u64 * 7 + at) as u8 | 1).collect();
            file.write_at(at, &data).expect("there is room");
            let id = model.file(id, NAMES[name]);
            let bytes = model.visible.files.entry(id).or_default();
            let (at, end) = (at as usize, at as usize + len);
            bytes.resize(bytes.len().max(end), 0);
            bytes[at..end].copy_from_slice(&data);
        }
        Step::SetLen(folder, name, len) => {
            let Ok(file) = disk.open(&path(folder, name), false) else {
                return;
            };
            file.set_len(len).expect("it is short enough");
            let folder = model.folder(FOLDERS[folder]).expect("the disk has it");
            let id = model.file(folder, NAMES[name]);
            model
                .visible
                .files
                .entry(id)
                .or_default()
                .resize(len as usize, 0);
        }
        Step::Sync(folder, name) => {
            let Ok(file) = disk.open(&path(folder, name), false) else {
                return;
            };
            file.sync().expect("it works");
            let folder = model.folder(FOLDERS[folder]).expect("the disk has it");
            let id = model.file(folder, NAMES[name]);
            let bytes = model.visible.files.get(&id).cloned().unwrap_or_default();
            model.durable.files.insert(id, bytes);
            model
                .history
                .push((*now + disk.end(), model.durable.clone()));
        }
        Step::CreateDir(folder) => {
            disk.create_dir_all(FOLDERS[folder])
                .expect("nothing is in the way");
            model.create_dir(FOLDERS[folder]);
        }
        Step::Rename((from, old), (to, new)) => {
            let renamed = disk.rename(&path(from, old), &path(to, new)).is_ok();
            let folders = (model.folder(FOLDERS[from]), model.folder(FOLDERS[to]));
            let known = match folders {
                (Some(from), Some(to)) => {
                    let taken = model.names(from).remove(NAMES[old]);
                    if let Some(target) = taken {
                        model.names(to).insert(NAMES[new].to_owned(), target);
                    }
                    taken.is_some()
                }
                _ => false,
            };
            assert_eq!(renamed, known);
        }
        Step::Remove(folder, name) => {
            let removed = disk.remove(&path(folder, name)).is_ok();
            let known = model
                .folder(FOLDERS[folder])
                .is_some_and(|id| model.names(id).remove(NAMES[name]).is_some());
            assert_eq!(removed, known);
        }
        Step::SyncDir(folder) => {
            let synced = disk.sync_dir(FOLDERS[folder]).is_ok();
            let id = model.folder(FOLDERS[folder]);
            assert_eq!(synced, id.is_some());
            if let Some(id) = id {
                let names = model.names(id).clone();
                model.durable.folders.insert(id, names);
                model
                    .history
                    .push((*now + disk.end(), model.durable.clone()));
            }
        }
        Step::Wait(nanos) => *now += Duration::from_nanos(nanos),
        Step::Cut => {
            disk.power_cut(*now);
            model.cut(*now);
        }
    }
}

fn compare(disk: &SimDisk, model: &Model, now: SimTime) {
    disk.begin(now);
    for path in FOLDERS {
        let names = disk.list(path).expect("listing works");
        let known = model.folder(path);
        let known = known.and_then(|id| model.visible.folders.get(&id).cloned());
        let known = known.unwrap_or_default();
        assert_eq!(
            names,
            known.keys().cloned().collect::<Vec<_>>(),
            "in {path:?}"
        );
        for (name, target) in known {
            let Target::File(id) = target else { continue };
            let full = if path.is_empty() {
                name
            } else {
                format!("{path}/{name}")
            };
            let bytes = model.visible.files.get(&id).cloned().unwrap_or_default();
            assert!(content(disk, &full) == bytes, "{full} differs");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn a_disk_behaves_like_copies_of_everything(
        steps in prop::collection::vec(steps(), 1..80),
    ) {
        let disk = disk();
        let mut model = Model::default();
        let mut now = SimTime::ZERO;
        for step in steps.iter().chain([&Step::Cut]) {
            apply(&disk, &mut model, &mut now, step);
            compare(&disk, &model, now);
        }
    }
}
