//! What is taken out, and what is left alone.

use super::*;

fn redaction(detector: Detector) -> Redaction {
    Redaction::new(Rule::HIDDEN, detector, Some("#".to_owned()))
}

fn check(detector: &Detector, cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        assert_eq!(redaction(detector.clone()).apply(text), *expected, "{text}");
    }
}

#[test]
fn secrets() {
    check(
        &Detector::Secret,
        &[
            ("key AKIAIOSFODNN7EXAMPLE.", "key #."),
            ("ghp_0123456789abcdefghijABCDEFGHIJ012345", "#"),
            (
                "xghp_0123456789abcdefghijABCDEFGHIJ012345",
                "xghp_0123456789abcdefghijABCDEFGHIJ012345",
            ),
            ("ghp_short", "ghp_short"),
            ("a sk-proj-0123456789abcdefghij b", "a # b"),
            (
                "ask-me-anything-you-want-to-know",
                "ask-me-anything-you-want-to-know",
            ),
            (
                "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxIn0.c2ln, next",
                "#, next",
            ),
            ("password=hunter22 ok", "password=# ok"),
            (r#"{"api_key": "abcdef123456"}"#, r##"{"api_key": "#"}"##),
            (
                "Authorization: Bearer abc.def-ghi",
                "Authorization: Bearer #",
            ),
            ("the password is long", "the password is long"),
            ("password: x", "password: x"),
            ("postgres://me:s3cr3t@db/x", "postgres://me:#@db/x"),
            ("https://example.com/a@b:c", "https://example.com/a@b:c"),
            (
                "a\n-----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY-----\nb",
                "a\n#\nb",
            ),
            ("-----BEGIN PRIVATE KEY-----\nMII", "#"),
            (
                "-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----",
                "-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----",
            ),
            ("é token=ééééééé é", "é token=# é"),
        ],
    );
}

#[test]
fn a_quoted_secret_goes_whole() {
    check(
        &Detector::Secret,
        &[
            (
                r#"{\"password\": \"hunter22hunter\", \"user\": \"ann\"}"#,
                r##"{\"password\": \"#\", \"user\": \"ann\"}"##,
            ),
            (
                r#"\\\"password\\\":\\\"two \\\\\" deep\\\" x"#,
                r##"\\\"password\\\":\\\"#\\\" x"##,
            ),
            (
                r#"password: "correct horse battery staple", next"#,
                r##"password: "#", next"##,
            ),
            ("secret='ab,cd;ef(gh)ij' x", "secret='#' x"),
            (r#"token: "ab\"cd\\" and "b""#, r##"token: "#" and "b""##),
            (
                r#"{"authorization": "Basic ab cd ef"}"#,
                r#"{"authorization": "Basic #"}"#,
            ),
            (
                r#"{"password":"","name":"annabel"}"#,
                r#"{"password":"","name":"annabel"}"#,
            ),
            (
                "\"password\": \"hunter22\nnext\"",
                "\"password\": \"#\nnext\"",
            ),
            (
                r#"say "password:" and then "more""#,
                r#"say "password:" and then "more""#,
            ),
        ],
    );
}

#[test]
fn words_before_secrets() {
    check(
        &Detector::Secret,
        &[
            ("DB_PASS=hunter22", "DB_PASS=#"),
            ("db_pass: hunter22", "db_pass: #"),
            ("?user=a&pass=hunter22&x=1", "?user=a&pass=#&x=1"),
            ("bypass=everything", "bypass=everything"),
            ("PASS: everything", "PASS: everything"),
            ("secret_key = abcdef1234", "secret_key = #"),
            ("passphrase: \"a b c d\"", "passphrase: \"#\""),
            (
                "credential=abcdef credentials: ghijkl",
                "credential=# credentials: #",
            ),
        ],
    );
}

#[test]
fn addresses_and_numbers() {
    check(
        &Detector::Email,
        &[
            ("mail ann.lee+x@mail.example.com, bob", "mail #, bob"),
            ("<jörg@bücher.example>", "<#>"),
            ("a@b", "a@b"),
            ("@handle and x@ y", "@handle and x@ y"),
            ("a@b.co.", "#."),
            ("a@example.com@example.org", "#@example.org"),
        ],
    );
    check(
        &Detector::Phone,
        &[
            ("call +49 30 901820-0 now", "call # now"),
            ("(555) 123-4567", "#"),
            ("555-123-4567 or 1-555-123-4567", "# or #"),
            ("2026-11-20 12:30:45", "2026-11-20 12:30:45"),
            ("10.123.123.1234", "10.123.123.1234"),
            ("order 5551234567", "order 5551234567"),
            ("+1234567", "+1234567"),
            (
                "+1 555 123 4567........................",
                "#........................",
            ),
            ("((((((((((((((((((((555) 123-4567", "((((((((((((#"),
        ],
    );
    check(
        &Detector::Card,
        &[
            ("card 4111 1111 1111 1111.", "card #."),
            ("4111-1111-1111-1111", "#"),
            ("4111 1111 1111 1112", "4111 1111 1111 1112"),
            ("378282246310005", "#"),
            ("0000000000000000", "0000000000000000"),
            ("411111111111", "411111111111"),
            ("99 4111 1111 1111 1111 99", "99 # 99"),
            ("id 994111111111111111", "id 994111111111111111"),
        ],
    );
}

#[test]
fn patterns_and_what_stands_in_their_place() {
    let regex = Regex::new("[0-9]+").expect("a regex");
    let plain = Redaction::new(Rule::HIDDEN, Detector::Regex(regex.clone()), None);
    assert_eq!(plain.apply("a1b22c"), "a[redacted: text]b[redacted: text]c");
    let literal = Redaction::new(Rule::HIDDEN, Detector::Regex(regex), Some("$0".to_owned()));
    assert_eq!(literal.apply("a1"), "a$0");
    assert!(matches!(literal.apply("none"), Cow::Borrowed("none")));
    let both = ResultRules {
        redact: vec![redaction(Detector::Email), literal],
        max_result_bytes: None,
    };
    assert_eq!(both.redacted("a@example.com 7"), "# $0");
    assert!(matches!(both.redacted("none"), Cow::Borrowed(_)));
}

#[test]
fn what_escapes_hide_is_found() {
    const TOKEN: &str = "ghp_0123456789abcdefghijABCDEFGHIJ012345";
    let number = Detector::Regex(Regex::new("id [0-9]{4,}").expect("a regex"));
    let rules = ResultRules {
        redact: vec![
            redaction(Detector::Secret),
            Redaction::new(Rule::HIDDEN, number, Some("id 12345".to_owned())),
        ],
        max_result_bytes: None,
    };
    let hidden = TOKEN.replace('g', "\\u0067");
    let deep = |text: &str, times: usize| {
        (0..times).fold(text.to_owned(), |text, _| text.replace('\\', "\\\\"))
    };
    for (text, expected) in [
        (hidden.clone(), true),
        (format!("see {{\"a\":\"{hidden}\"}}, and"), true),
        (deep(&hidden, 3), true),
        (deep(&hidden, 9), true),
        ("\\u005c".repeat(3) + "u0067hp", false),
        (TOKEN.to_owned(), false),
        (format!("{TOKEN}\\n"), false),
        ("secret=\\\"abcdefgh\\\"".to_owned(), false),
        ("password=abc\\ndefgh".to_owned(), false),
        ("id 123456\\n".to_owned(), false),
        ("C:\\users\\temp \\d+ \\u12 \\".to_owned(), false),
        (String::new(), false),
    ] {
        let shown = rules.redacted(&text);
        assert_eq!(rules.find_escaped(&text, &shown), expected, "{text}");
    }
}
