//! Two processes, one data directory.

use std::sync::Arc;

use portreeve::admin::{LocalOffice, Socket};
use portreeve::clock::Clock;
use portreeve::data_dir::DataDir;

use super::Home;

#[test]
fn many_commands_at_once_all_happen() {
    let home = Home::new();
    home.furnish();
    let labels: Vec<String> = (0..8).map(|i| format!("g{i}")).collect();
    std::thread::scope(|scope| {
        for label in &labels {
            let home = &home;
            scope.spawn(move || home.ok(&["grant", "create", label, "--server", "runs=p"]));
        }
    });
    let listed = home.json(&["grant", "list"]);
    let found: Vec<&str> = listed
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|grant| grant["label"].as_str())
        .collect();
    assert_eq!(found, labels);
    assert_eq!(home.acts().len(), 2 + labels.len());
}

#[test]
fn a_command_asks_the_owner_over_the_control_socket() {
    let home = Home::new();
    home.furnish();
    let dir = DataDir::at(home.path("data"));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let _inside = runtime.enter();
    let ownership = dir.own().expect("owned");
    let owner = LocalOffice::open(&dir, ownership, Clock::system()).expect("an office");
    let socket = Socket::bind(&dir.control_socket().expect("a path")).expect("bound");
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let office = Arc::clone(&owner.office);
    let serving = runtime.spawn(socket.serve(office, async { drop(stopped.await) }));

    home.ok(&["grant", "create", "ci", "--server", "runs=p"]);
    let wrong = home.run(&["grant", "revoke", "cj"]);
    assert_eq!(wrong.code, 3);
    assert!(wrong.err.contains("did you mean `ci`?"), "{wrong:?}");
    home.write("bad.json", "{}");
    assert_eq!(home.run(&["policy", "put", "p", "bad.json"]).code, 1);
    home.ok(&["backup", "while-running.tar"]);

    drop(stop);
    runtime.block_on(async {
        serving.await.expect("stopped");
        owner.close().await.expect("closed");
    });
    assert_eq!(home.json(&["grant", "list"])[0]["label"], "ci");
    let acts = home.acts();
    assert!(acts.contains(&"grant.create ci".to_owned()), "{acts:?}");
    let copy = home.path("copy");
    home.ok(&[
        "restore",
        "while-running.tar",
        "--data-dir",
        copy.to_str().expect("text"),
    ]);
}

#[test]
fn a_data_directory_too_deep_for_a_socket_is_told_only_when_one_is_needed() {
    let home = Home::new();
    let deep = home.path(&"d".repeat(120));
    let deep = deep.to_str().expect("text");
    home.ok(&[
        "server",
        "add",
        "runs",
        "--url",
        "builtin:runs",
        "--data-dir",
        deep,
    ]);
    home.ok(&["server", "list", "--data-dir", deep]);
    let _owned = DataDir::at(deep).own().expect("owned");
    let said = home.run(&["server", "list", "--data-dir", deep]);
    assert_eq!(said.code, 3);
    assert!(said.err.contains("control socket is too long"), "{said:?}");
}
