//! The host and port of a web address. Those who fetch repair many spellings of one host; here there
//! is one, so that a rule about a host is a rule about all of it.

use std::net::{Ipv4Addr, Ipv6Addr};

/// What stands for `*` and `?` while a pattern is spelled.
const WILD: [char; 2] = ['\u{1}', '\u{2}'];

/// What makes an authority doubtful, which is in lower case.
pub(super) fn check_authority(scheme: &str, authority: &str) -> Result<(), &'static str> {
    if authority.contains('@') {
        return Err("it names a user");
    }
    let (host, port) = split(authority);
    if let Some(port) = port {
        check_port(scheme, port)?;
    }
    check_host(host)
}

/// The colons of an address in brackets begin no port.
fn split(authority: &str) -> (&str, Option<&str>) {
    let name_end = authority.rfind(']').map_or(0, |at| at.saturating_add(1));
    let (name, rest) = authority
        .split_at_checked(name_end)
        .unwrap_or(("", authority));
    match rest.split_once(':') {
        Some((more, port)) if name.is_empty() => (more, Some(port)),
        Some(("", port)) => (name, Some(port)),
        _ => (authority, None),
    }
}

fn check_port(scheme: &str, port: &str) -> Result<(), &'static str> {
    let usual = if matches!(scheme, "http" | "ws") {
        "80"
    } else {
        "443"
    };
    if port == usual || port.is_empty() {
        return Err("it says the port that is meant without one");
    }
    let is_plain = port
        .parse::<u16>()
        .is_ok_and(|number| number.to_string() == port);
    if is_plain || port.contains(WILD) {
        Ok(())
    } else {
        Err("its port is no plain number")
    }
}

fn check_host(host: &str) -> Result<(), &'static str> {
    if let Some(address) = host.strip_prefix('[') {
        let address = address.strip_suffix(']').unwrap_or_default();
        let plain = address
            .parse::<Ipv6Addr>()
            .is_ok_and(|ip| ip.to_string() == address);
        return if plain {
            Ok(())
        } else {
            Err("its address is not in its usual form")
        };
    }
    let is_letter = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c) || WILD.contains(&c);
    if !host.chars().all(is_letter) {
        return Err("its host is not in plain letters; write it as DNS does (`xn--…`)");
    }
    if host.split('.').any(str::is_empty) {
        return Err("its host is missing, or a part of it");
    }
    let last = host.rsplit('.').next().unwrap_or_default();
    let is_number = last.bytes().all(|byte| byte.is_ascii_digit()) || last.starts_with("0x");
    if is_number && host.parse::<Ipv4Addr>().is_err() && !host.contains(WILD) {
        return Err("its address is not four plain numbers");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::normalise;

    #[test]
    fn one_host_has_one_spelling() {
        for plain in [
            "https://h.example/private/x",
            "https://h.example:8443/x",
            "http://127.0.0.1:8080/x",
            "http://[::1]/x",
            "http://[2001:db8::1]:81/x",
            "https://xn--bcher-kva.example/",
            "https://a_b.example",
        ] {
            assert!(normalise(plain).is_ok(), "{plain}");
        }
        for disguise in [
            "https://h.example:0443/private/x",
            "https://h.example:443/private/x",
            "https://h.example:/private/x",
            "https://h.example:65536/x",
            "https:///h.example/private/x",
            "https://@h.example/private/x",
            "https://:@h.example/private/x",
            "https://user@h.example/private/x",
            "https://h\u{3002}example/private/x",
            "https://h.exam%C2%ADple/private/x",
            "https://h.ex%61mple%2e/private/x",
            "https://h.example./private/x",
            "https://h..example/x",
            "https:/h/secret",
            "https:h/secret",
            "https://h/secret#f",
            "http://0x7f.1/x",
            "http://2130706433/x",
            "http://127.1/x",
            "http://127.0.0.01/x",
            "http://[0:0:0:0:0:0:0:1]/x",
            "http://[::1/x",
            "ws://h:80/x",
        ] {
            assert!(normalise(disguise).is_err(), "{disguise}");
        }
    }
}
