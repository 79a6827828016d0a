use super::Home;

#[test]
fn a_backup_brings_everything_back_in_another_place() {
    let home = Home::new();
    home.furnish();
    home.ok(&[
        "server",
        "add",
        "a",
        "--url",
        "https://a.example",
        "--header",
        "K: env:KEY",
    ]);
    home.ok(&["grant", "create", "ci", "--server", "runs=p"]);
    home.ok(&["backup", "b.tar"]);
    assert_eq!(
        home.run(&["backup", "b.tar"]).code,
        3,
        "it replaces nothing"
    );
    let listing = std::process::Command::new("tar")
        .args(["-tf".as_ref(), home.path("b.tar").as_os_str()])
        .output();
    if let Ok(listing) = listing {
        let names = String::from_utf8_lossy(&listing.stdout).into_owned();
        assert!(
            names.contains("portreeve.db\n") && names.contains("manifest.json\n"),
            "{names}"
        );
    }

    let other = home.path("other");
    let other = other.to_str().expect("text");
    home.ok(&["restore", "b.tar", "--data-dir", other]);
    let at = |arguments: &[&str]| home.json(&[arguments, &["--data-dir", other]].concat());
    assert_eq!(at(&["server", "list"]), home.json(&["server", "list"]));
    assert_eq!(at(&["grant", "list"]), home.json(&["grant", "list"]));
    // The book goes on where it was.
    home.ok(&["grant", "revoke", "ci", "--data-dir", other]);
    let acts = super::acts(&home.path("other/ledger"));
    assert_eq!(acts.last().map(String::as_str), Some("grant.revoke ci"));
    assert_eq!(acts.len(), 6, "{acts:?}");

    let full = home.run(&["restore", "b.tar", "--data-dir", other]);
    assert_eq!(full.code, 3);
    assert!(
        full.err.contains("is not empty") && full.err.contains("to do:"),
        "{full:?}"
    );
}

#[test]
fn what_cannot_be_written_says_what_to_do() {
    let home = Home::new();
    home.furnish();
    let backup = home.run(&["backup", "nowhere/b.tar"]);
    assert_eq!(backup.code, 3, "{backup:?}");
    assert!(
        backup.err.contains("no such file or directory")
            && backup.err.contains("make the folder first"),
        "{backup:?}"
    );
    let demo = home.run(&["demo", "--stdio", "--state", "nowhere/state"]);
    assert_eq!(demo.code, 3, "{demo:?}");
    assert!(demo.err.contains("in a folder that exists"), "{demo:?}");
    for said in [backup, demo] {
        assert!(!said.err.contains("os error"), "{said:?}");
    }
}
