use super::{Home, POLICY, said};

#[test]
fn a_configuration_is_checked_with_everything_it_refers_to() {
    let home = Home::new();
    home.write("p.json", POLICY);
    home.write(
        "good.toml",
        "[servers.a]\nurl = \"https://a.example\"\nheaders = { K = \"env:KEY\" }\n\
         [policies.p]\nfile = \"p.json\"\n",
    );
    let good = home.run(&["config", "check", "good.toml"]);
    assert_eq!(good.code, 0, "{good:?}");
    assert_eq!(
        good.out,
        "good.toml: ok: servers: 1, policies: 1, grants: 0\n"
    );
    assert_eq!(
        home.run(&["config", "check", "--config", "good.toml"]).code,
        0
    );

    home.write(
        "bad.toml",
        "lisen = \"x\"\n[policies.p]\nfile = \"nope.json\"\n",
    );
    let bad = home.run(&["config", "check", "bad.toml"]);
    assert_eq!(bad.code, 1);
    assert!(
        bad.out.starts_with(
            "error: `lisen` is not a known key; did you mean `listen`? (more is looked at once this is right)\n \
             --> bad.toml:1:1\n"
        ),
        "{bad:?}"
    );
    assert!(bad.out.contains("\n1 | lisen = …\n  | ^\n"), "{bad:?}");
    let up = home.run(&["up", "--config", "bad.toml"]);
    assert_eq!((up.code, up.out.as_str()), (3, ""));
    assert!(up.err.contains("\n1 | lisen = …\n  | ^\n"), "{up:?}");
    let told = home.run(&["config", "check", "bad.toml", "--json"]);
    assert_eq!(told.code, 1);
    let told: serde_json::Value = serde_json::from_str(&told.out).expect("JSON");
    assert_eq!(told["ok"], false);
    assert_eq!(told["problems"][0]["line"], 1);
    assert_eq!(home.json(&["config", "check", "good.toml"])["ok"], true);
    assert_eq!(home.run(&["config", "check", "nope.toml"]).code, 3);
    assert_eq!(home.run(&["config", "check"]).code, 2);
    assert!(
        home.ok(&["config", "reference"])
            .starts_with("# The configuration file")
    );
    assert!(!home.path("data").exists());
}

#[test]
fn a_grant_that_names_what_is_nowhere_is_refused_as_up_refuses_it() {
    let home = Home::new();
    home.write(
        "c.toml",
        "listen = \"127.0.0.1:0\"\n[servers.builds]\nurl = \"builtin:runs\"\n\
         [policies.p]\ninline = '{ \"version\": \"1\", \"default\": \"deny\" }'\n\
         [[grants]]\nlabel = \"g\"\ntoken = \"env:CI_TOKEN\"\nservers = { bulds = \"p\" }\n",
    );
    let run = |arguments: &[&str]| {
        let mut command = home.command(arguments);
        command.env("CI_TOKEN", "pr_0123456789abcdefghijklmnopqrstuvwxyz");
        said(command.output().expect("it runs"))
    };
    let up = run(&["up", "--config", "c.toml", "--data-dir", "fresh"]);
    assert_eq!(up.code, 3, "{up:?}");
    assert!(up.err.contains("names the server `bulds`"), "{up:?}");
    let check = run(&["config", "check", "c.toml"]);
    assert_eq!(check.code, 1, "{check:?}");
    assert!(
        check.out.starts_with(
            "error: the server `bulds` is not declared in this file; did you mean `builds`?; if \
             somebody added it, say where with `--data-dir`\n"
        ),
        "{check:?}"
    );
    let told = run(&["config", "check", "c.toml", "--json"]);
    assert_eq!(told.code, 1, "{told:?}");
    assert!(told.out.contains("\"severity\": \"error\""), "{told:?}");
    // A store that has it makes it sound, one that has not does not.
    let without = run(&["config", "check", "c.toml", "--data-dir", "fresh"]);
    assert_eq!(without.code, 1, "{without:?}");
    assert!(
        without.out.contains("; nor did anybody add it in fresh\n"),
        "{without:?}"
    );
    home.ok(&["server", "add", "bulds", "--url", "builtin:runs"]);
    let with = run(&["config", "check", "c.toml", "--data-dir", "data"]);
    assert_eq!(with.code, 0, "{with:?}");
    assert_eq!(with.out, "c.toml: ok: servers: 1, policies: 1, grants: 1\n");
}

#[test]
fn a_name_that_a_person_has_taken_is_refused_as_up_refuses_it() {
    let home = Home::new();
    home.furnish();
    home.ok(&["grant", "create", "ci", "--server", "runs=p"]);
    home.write(
        "c.toml",
        "listen = \"127.0.0.1:0\"\n[servers.runs]\nurl = \"builtin:runs\"\n[policies.p]\nfile = \
         \"p.json\"\n[[grants]]\nlabel = \"ci\"\ntoken = \"0123456789abcdef0123456789abcdef\"\n\
         servers = { runs = \"p\" }\n",
    );
    let up = home.run(&["up", "--config", "c.toml", "--data-dir", "data"]);
    assert_eq!(up.code, 3, "{up:?}");
    assert_eq!(home.run(&["config", "check", "c.toml"]).code, 0);
    // A data directory that is still to be made has taken no name.
    let fresh = home.run(&["config", "check", "c.toml", "--data-dir", "fresh"]);
    assert_eq!(fresh.code, 0, "{fresh:?}");
    let check = home.run(&["config", "check", "c.toml", "--data-dir", "data"]);
    assert_eq!(check.code, 1, "{check:?}");
    for (taken, line) in [("server `runs`", 2), ("policy `p`", 4), ("grant `ci`", 6)] {
        let says =
            format!("error: the {taken} was added by a person, so a file cannot declare it: ");
        assert!(check.out.contains(&says), "{check:?}");
        assert!(
            check.out.contains(&format!(" --> c.toml:{line}:")),
            "{check:?}"
        );
    }
    for removing in ["server remove runs", "policy remove p", "grant remove ci"] {
        let says = format!("run `portreeve {removing}` (with the same --data-dir)");
        assert!(check.out.contains(&says), "{check:?}");
    }
}
