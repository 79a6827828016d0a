//! `portreeve policy diff`: files and stored policies, compared by what they mean.

use serde_json::Value;

use super::{Home, POLICY};

#[test]
fn what_means_the_same_is_no_difference() {
    let home = Home::new();
    home.write("a.json", POLICY);
    home.write("b.json", &POLICY.replace(' ', "\n"));
    let said = home.run(&["policy", "diff", "a.json", "b.json"]);
    assert_eq!(
        (said.code, &*said.out),
        (0, "a.json and b.json mean the same\n")
    );
    let json = home.json(&["policy", "diff", "a.json", "b.json"]);
    assert_eq!(json["same"], true);
    assert!(!home.path("data").exists(), "files need no data directory");
}

#[test]
fn versions_and_files_can_be_compared() {
    let home = Home::new();
    home.write("p.json", POLICY);
    home.ok(&["policy", "put", "p", "p.json"]);
    let stricter = POLICY.replace(
        "{} }",
        r#"{ "rate_limit": { "max": 5, "window": "minute" } } }"#,
    );
    home.write("new.json", &stricter);
    home.ok(&["policy", "put", "p", "new.json"]);

    for arguments in [["p@1", "p"], ["p.json", "p@2"], ["p@1", "new.json"]] {
        let said = home.run(&[&["policy", "diff"][..], &arguments].concat());
        assert_eq!(said.code, 1, "{said:?}");
        assert!(
            said.out.contains(
                "refuses more  added   /tools/run-rerun/rate_limit  at most 5 per minute"
            ),
            "{said:?}"
        );
        assert!(said.out.contains(" refuses everything that "), "{said:?}");
    }
    let back = home.run(&["policy", "diff", "p@2", "p@1", "--json"]);
    assert_eq!(back.code, 1);
    let back: Value = serde_json::from_str(&back.out).expect("JSON");
    assert_eq!(back["effect"], "allows_more");
    assert_eq!(back["changes"][0]["change"], "removed");
    assert_eq!(back["changes"][0]["pointer"], "/tools/run-rerun/rate_limit");
    assert_eq!(home.run(&["policy", "diff", "p@1", "p@1"]).code, 0);
}

#[test]
fn what_cannot_be_compared_is_told() {
    let home = Home::new();
    home.furnish();
    home.write("bad.json", "{}");
    for (arguments, says) in [
        (["p", "bad.json"], "bad.json is no policy"),
        (["nope.json", "p"], "cannot read nope.json"),
        (["p@7", "p"], "p"),
    ] {
        let said = home.run(&[&["policy", "diff"][..], &arguments].concat());
        assert_eq!(said.code, 3, "{said:?}");
        assert!(said.err.contains(says), "{said:?}");
    }
}
