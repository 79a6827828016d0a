use super::{Home, POLICY};

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
            "error: `lisen` is not a known key; did you mean `listen`?\n --> bad.toml:1:1\n"
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
