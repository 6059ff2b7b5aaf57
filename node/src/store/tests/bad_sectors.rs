//! What the medium does not give any more: it is set aside or made anew, and named.

use super::*;

fn bad_sector() -> std::io::Error {
    std::io::Error::from_raw_os_error(5)
}

fn anothers() -> std::io::Error {
    std::io::ErrorKind::PermissionDenied.into()
}

/// Somebody with three posts, and their disk, with the store closed.
fn author() -> MemoryDisk {
    let mut author = Person::new(1);
    for number in 0..3 {
        author.post(&format!("{number}"), &Audience::Public, 1_000 + number);
    }
    author.disk
}

fn file_of(disk: &MemoryDisk, ending: &str) -> String {
    let files = disk.files();
    let file = files.keys().find(|path| path.ends_with(ending));
    file.expect("is there").clone()
}

#[test]
fn an_index_with_a_bad_sector_is_made_anew_from_the_files_and_kept_aside() {
    let disk = author();
    disk.fail_reads("index.redb", u32::MAX, bad_sector);
    let mut author = Person::on(disk.clone(), 1).expect("opens");
    let rebuilt = author.store.opened().rebuilt.expect("is told");
    assert!(rebuilt.reason.contains("index.redb"), "{rebuilt:?}");
    assert_eq!(author.texts(), ["2", "1", "0"]);
    assert!(disk.files().contains_key("index.redb.damaged"));
    author.post("3", &Audience::Public, 2_000);
}

#[test]
fn a_read_that_fails_once_costs_nothing() {
    for ending in ["index.redb", "00000001.op", "00000001.json"] {
        let disk = author();
        if ending != "index.redb" {
            disk.disk().remove("index.redb").expect("removes");
        }
        disk.fail_reads(&file_of(&disk, ending), 1, bad_sector);
        let mut author = Person::on(disk.clone(), 1).expect("opens");
        assert_eq!(author.store.opened().set_aside, []);
        assert_eq!(author.texts(), ["2", "1", "0"]);
        assert!(!disk.files().contains_key("index.redb.damaged"));
    }
}

#[test]
fn a_post_with_a_bad_sector_is_set_aside_and_named() {
    for ending in ["00000001.op", "00000001.json"] {
        for lost in [true, false] {
            let disk = author();
            let path = file_of(&disk, ending);
            disk.fail_reads(&path, u32::MAX, bad_sector);
            if lost {
                disk.disk().remove("index.redb").expect("removes");
            }
            let mut author = Person::on(disk, 1).expect("opens");
            if !lost {
                author.store.reindex().expect("reindexes");
            }
            let told = author.store.opened().set_aside;
            assert_eq!((told.len(), told[0].seq), (1, 1));
            assert!(told[0].reason.contains(&path), "{told:?}");
            assert_eq!(author.texts(), ["2", "0"]);
        }
    }
}

#[test]
fn a_file_of_another_user_is_named_with_what_to_do() {
    let disk = author();
    let path = file_of(&disk, "/contacts");
    disk.fail_reads(&path, u32::MAX, anothers);
    let error = Person::on(disk, 1).map(|_| ()).expect_err("does not open");
    let told = error.to_string();
    assert!(told.contains(&path) && told.contains("chown"), "{told}");
}
