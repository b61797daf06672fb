//! Repositories as they are named, and the cache as other tools leave it.

use std::fs;

use super::*;

#[test]
fn repositories() {
    let parse = |text: &str| Wanted::parse(text).ok().map(|wanted| (wanted.repo, wanted.quant));
    let some = |repo: &str, quant: Option<&str>| Some((repo.into(), quant.map(str::to_string)));
    assert_eq!(parse("bartowski/Qwen2.5-0.5B_x"), some("bartowski/Qwen2.5-0.5B_x", None));
    assert_eq!(parse("a/b:UD-q4_K_xl"), some("a/b", Some("UD-q4_K_xl")));
    let long = format!("a/{}b", "..".repeat(9));
    for wrong in [
        "", "a", "/", "a/", "/b", "a/b/c", "../b", "a/..", "a/b:", "a/b:c:d", "a b/c", &long,
        "a/b:/",
    ] {
        assert_eq!(parse(wrong), None, "{wrong}");
    }
}

#[test]
fn names_that_lead_out_of_the_folder_are_no_files() {
    let siblings = ["a.gguf", "f/a.gguf", "../a.gguf", "/a.gguf", "f/../../a.gguf", ""];
    let siblings = siblings.map(|name| Sibling { rfilename: name.into() }).into();
    assert_eq!(Listing { sha: String::new(), siblings }.files(), ["a.gguf", "f/a.gguf"]);
}

#[test]
fn contents_get_a_name_in_any_folder_of_a_commit() {
    let dir = tempfile::tempdir().unwrap();
    let shelf = HubCache::at(dir.path()).shelf("u/m");
    let commit = "0123456789abcdef0123456789abcdef01234567";
    fs::create_dir_all(shelf.folder().join("blobs")).unwrap();
    fs::write(shelf.blob("abc"), "contents").unwrap();
    for name in ["a.gguf", "deep/er/a.gguf"] {
        assert_eq!(shelf.file(commit, name), None);
        let path = shelf.name("abc", commit, name).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "contents");
        assert_eq!(shelf.file(commit, name), Some(path));
    }
    assert_eq!(shelf.files(commit), ["a.gguf", "deep/er/a.gguf"]);
    // A name whose contents somebody removed is given anew.
    fs::remove_file(shelf.blob("abc")).unwrap();
    assert_eq!(shelf.files(commit), [""; 0]);
    fs::write(shelf.blob("def"), "others").unwrap();
    let path = shelf.name("def", commit, "a.gguf").unwrap();
    assert_eq!(fs::read_to_string(path).unwrap(), "others");

    assert_eq!(shelf.commit(), None);
    shelf.point_at(commit).unwrap();
    assert_eq!(shelf.commit().as_deref(), Some(commit));
    let again = shelf.lock("abc").unwrap();
    assert!(again.is_some());
    assert!(shelf.lock("abc").unwrap().is_none(), "somebody else downloads it");
}
