//! What a word means that is not the language's own: how other languages, and people, call it.
//!
//! A slip of the fingers is near its word by spelling; a word from elsewhere is not. One table says
//! which of our words it stands for. It only ever suggests: no foreign word is taken.

use crate::path::Root;

/// One of our words, and what it is called elsewhere.
struct Entry {
    ours: &'static str,
    theirs: &'static [&'static str],
    /// What else there is to know, for whoever used a foreign word.
    hint: &'static str,
}

/// What a foreign word most likely means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Meant {
    pub(crate) word: &'static str,
    /// May be empty.
    pub(crate) hint: &'static str,
}

/// The word of `valid` that `word` means.
pub(crate) fn meant(word: &str, valid: &[&str]) -> Option<Meant> {
    const LONGEST: usize = 64;
    if word.len() > LONGEST {
        return None;
    }
    let word = word.trim().to_lowercase().replace(['-', ' '], "_");
    let fits = |entry: &&Entry| valid.contains(&entry.ours) && entry.theirs.contains(&&*word);
    WORDS.iter().find(fits).map(|entry| Meant {
        word: entry.ours,
        hint: entry.hint,
    })
}

/// The path that a text means which begins with no root of ours: what calls carry is `args`.
pub(crate) fn path(text: &str) -> Option<String> {
    const LONGEST: usize = 64;
    const ROOTS: [&str; 10] = [
        "$",
        "arg",
        "argument",
        "arguments",
        "body",
        "input",
        "inputs",
        "param",
        "params",
        "parameters",
    ];
    if text.len() > LONGEST {
        return None;
    }
    let end = text.find(['.', '[']).unwrap_or(text.len());
    let (root, rest) = text.split_at_checked(end)?;
    if Root::WORDS.contains(&root) {
        return None;
    }
    Some(if ROOTS.contains(&root) {
        format!("args{rest}")
    } else {
        format!("args.{text}")
    })
}

const fn entry(ours: &'static str, theirs: &'static [&'static str]) -> Entry {
    Entry {
        ours,
        theirs,
        hint: "",
    }
}

const fn hinted(ours: &'static str, theirs: &'static [&'static str], hint: &'static str) -> Entry {
    Entry { ours, theirs, hint }
}

/// The first entry that fits counts.
#[rustfmt::skip]
const WORDS: &[Entry] = &[
    // The document.
    hinted("tools", &["allow", "allowed", "allowlist", "allow_list", "whitelist", "permit"],
        "a tool is allowed by being named, as in {\"tools\": {\"NAME\": {}}}"),
    hinted("tools", &["deny", "denied", "denylist", "deny_list", "blacklist", "blocklist", "block", "forbid"],
        "a tool is denied by a rule, as in {\"tools\": {\"NAME\": {\"action\": \"deny\"}}}"),
    hinted("all_tools", &["action", "reason", "deny_if", "require", "validate", "require_approval",
        "limits", "rate_limit", "redact", "max_result_bytes"],
        "rules stand under a tool's name in `tools`, or under `all_tools`"),
    entry("all_tools", &["all", "global", "*", "any_tool", "every_tool", "common"]),
    entry("tools", &["rules", "functions", "actions"]),
    entry("default", &["default_action", "default_policy", "fallback", "otherwise", "else"]),
    entry("hide", &["hidden", "invisible", "omit"]),
    entry("description", &["name", "title", "comment", "_comment", "$comment", "//", "notes"]),
    entry("timezone", &["tz", "zone", "time_zone"]),
    entry("version", &["schema_version", "api_version", "apiversion", "$schema"]),
    entry("flow", &["flows", "flow_rules", "taint"]),
    // Rules.
    entry("action", &["effect", "decision", "verdict", "policy", "permission"]),
    hinted("rate_limit", &["max", "window", "ratelimit", "rate", "throttle", "max_calls", "per_minute"],
        "as in {\"rate_limit\": {\"max\": 10, \"window\": \"minute\"}}"),
    entry("limits", &["limit", "quota", "quotas", "budget", "counter"]),
    entry("deny_if", &["deny_when", "block_if", "forbid_if", "reject_if", "deny_unless"]),
    entry("require", &["requires", "must", "allow_if", "allow_when", "only_if", "conditions", "condition"]),
    entry("require_approval", &["approval", "approve", "ask", "confirm", "review"]),
    entry("validate", &["schema", "strict", "check_schema", "validation"]),
    entry("redact", &["mask", "redaction", "redactions", "filter", "scrub"]),
    entry("max_result_bytes", &["max_bytes", "max_result", "max_size", "result_limit"]),
    entry("reason", &["message", "on_deny", "why", "explanation", "description"]),
    // Guards, approvals and flow rules.
    hinted("conditions", &["path", "op", "value", "if", "when", "where", "condition", "any", "all", "not"],
        "as in {\"conditions\": [{\"path\": \"args.n\", \"op\": \"gt\", \"value\": 5}]}"),
    entry("on_deny", &["message", "reason", "error", "why"]),
    entry("message", &["reason", "on_deny", "text", "note", "question"]),
    entry("timeout", &["expires", "expiry", "expires_in", "ttl", "valid_for"]),
    entry("hold", &["wait", "wait_for", "block_for"]),
    entry("approvals", &["count", "quorum", "number", "min_approvals", "required"]),
    entry("approvers", &["users", "people", "by", "reviewers", "groups"]),
    entry("after", &["from", "source", "sources", "if", "when"]),
    entry("then", &["to", "sink", "sinks", "target", "block", "deny"]),
    entry("for", &["window", "within", "duration", "timeout", "ttl"]),
    // Limits.
    entry("max", &["maximum", "limit", "count", "calls", "requests", "quota", "amount", "times", "n"]),
    entry("window", &["period", "per", "interval", "within", "duration", "every", "time", "unit"]),
    entry("counter", &["name", "id", "key", "bucket"]),
    entry("cost", &["weight", "price", "charge", "sum", "amount_of"]),
    entry("per", &["by", "group_by", "split_by", "partition_by", "for_each"]),
    entry("scope", &["shared", "level"]),
    entry("grant", &["session", "agent", "token", "caller"]),
    entry("identity", &["user", "person", "subject", "principal"]),
    entry("gateway", &["global", "all", "everything", "everyone"]),
    // Windows.
    entry("second", &["seconds", "sec", "secs", "s", "per_second"]),
    entry("minute", &["minutes", "min", "mins", "m", "per_minute"]),
    entry("hour", &["hours", "hr", "hrs", "h", "hourly", "per_hour"]),
    entry("day", &["days", "d", "daily", "per_day"]),
    entry("week", &["weeks", "w", "weekly", "per_week"]),
    entry("30d", &["month", "months", "monthly", "per_month"]),
    entry("365d", &["year", "years", "yearly", "per_year"]),
    // Actions and verdicts.
    entry("deny", &["block", "forbid", "reject", "refuse", "disallow", "prohibit", "drop", "denied", "no", "false", "off", "never"]),
    entry("allow", &["permit", "accept", "pass", "allowed", "yes", "true", "on", "enable", "ok", "always"]),
    entry("hide", &["remove"]),
    entry("require_approval", &["prompt", "confirmation", "manual", "human", "wait"]),
    // Conditions.
    entry("path", &["field", "arg", "argument", "key", "property", "param", "parameter", "attribute"]),
    entry("op", &["operator", "operation", "comparator", "comparison", "test"]),
    entry("value", &["val", "values", "operand", "expected"]),
    entry("any", &["or", "any_of", "anyof", "some", "one_of"]),
    entry("all", &["and", "all_of", "allof", "every"]),
    entry("not", &["none", "unless", "none_of", "!"]),
    // Operators.
    entry("eq", &["equals", "equal", "==", "=", "===", "is", "same"]),
    entry("neq", &["not_equals", "not_equal", "notequals", "!=", "!==", "<>", "ne", "is_not"]),
    entry("lt", &["<", "less", "less_than", "lessthan", "below", "before"]),
    entry("lte", &["<=", "=<", "le", "at_most", "less_than_or_equal", "max"]),
    entry("gt", &[">", "greater", "greater_than", "greaterthan", "more", "above", "after"]),
    entry("gte", &[">=", "=>", "ge", "at_least", "greater_than_or_equal", "min"]),
    entry("in", &["one_of", "oneof", "any_of", "anyof", "member_of", "is_in"]),
    entry("not_in", &["nin", "none_of", "notin", "not_one_of", "!in"]),
    entry("exists", &["present", "defined", "is_set", "has", "exist", "is_present"]),
    entry("regex", &["regexp", "re", "pattern", "=~", "~", "rlike"]),
    entry("matches", &["match", "full_match", "fullmatch", "match_all"]),
    entry("contains", &["includes", "include", "has_substring", "substring"]),
    entry("starts_with", &["startswith", "prefix", "has_prefix", "begins_with", "beginswith", "^="]),
    entry("ends_with", &["endswith", "suffix", "has_suffix", "$="]),
    entry("glob", &["like", "wildcard", "fnmatch"]),
    entry("length_lte", &["max_length", "maxlength", "shorter_than"]),
    entry("length_gte", &["min_length", "minlength", "longer_than"]),
    entry("type_is", &["type", "typeof", "is_a", "instance_of"]),
    entry("host_in", &["domain_in", "hostname_in", "url_in", "host", "domain", "allowed_hosts", "allowed_domains"]),
    entry("path_within", &["path_in", "within", "under", "inside", "dir_in", "directory", "allowed_paths"]),
    entry("sql_only", &["sql", "sql_in", "statements", "statement_in", "query_type"]),
    entry("command_in", &["command", "commands", "cmd_in", "shell", "shell_in", "allowed_commands"]),
    // Types, detectors, classes.
    entry("integer", &["int", "long"]),
    entry("number", &["float", "double", "decimal", "numeric"]),
    entry("string", &["str", "text"]),
    entry("boolean", &["bool"]),
    entry("array", &["list"]),
    entry("object", &["dict", "map", "hash", "struct"]),
    entry("detect", &["pattern", "type", "kind", "match", "find", "what"]),
    entry("replace", &["with", "replacement", "mask", "substitute"]),
    entry("secret", &["secrets", "token", "tokens", "password", "credentials", "api_key", "key"]),
    entry("email", &["emails", "mail", "e_mail"]),
    entry("card", &["cards", "credit_card", "creditcard", "pan"]),
    entry("phone", &["phones", "telephone", "tel", "mobile"]),
    entry("@destructive", &["@delete", "@deletes", "@dangerous", "@destroy"]),
    entry("@changes", &["@mutating", "@mutation", "@modify", "@modifies", "@update", "@not_read"]),
    entry("@execute", &["@exec", "@run", "@shell", "@code"]),
    entry("@financial", &["@payment", "@payments", "@money", "@billing"]),
    entry("@egress", &["@network", "@external", "@exfiltration", "@outbound"]),
    entry("monday", &["mon", "mo"]),
    entry("tuesday", &["tue", "tues"]),
    entry("wednesday", &["wed"]),
    entry("thursday", &["thu", "thur", "thurs"]),
    entry("friday", &["fri"]),
    entry("saturday", &["sat"]),
    entry("sunday", &["sun"]),
    entry("@read", &["@readonly", "@read_only", "@get", "@list", "@safe"]),
    entry("@write", &["@create", "@insert"]),
    entry("@reads-untrusted", &["@untrusted", "@tainted"]),
    entry("@reads-private", &["@private", "@pii", "@sensitive"]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_says_each_thing_once() {
        for (i, entry) in WORDS.iter().enumerate() {
            for word in entry.theirs {
                let plain = word.to_lowercase().replace(['-', ' '], "_");
                assert_eq!(*word, plain, "as it is looked for");
                assert_ne!(*word, entry.ours);
                let again = WORDS.iter().take(i);
                let again = again.filter(|other| other.ours == entry.ours);
                let again = again.filter(|other| other.theirs.contains(word));
                assert_eq!(again.count(), 0, "{word} for {}", entry.ours);
            }
        }
    }

    #[test]
    fn what_a_word_means_depends_on_what_is_valid() {
        let word = |word, valid: &[&str]| meant(word, valid).map(|meant| meant.word);
        assert_eq!(word("limit", &["max", "window"]), Some("max"));
        assert_eq!(word("limit", &["limits", "rate_limit"]), Some("limits"));
        assert_eq!(word("Greater-Than", &["lt", "gt"]), Some("gt"));
        assert_eq!(word("limit", &["tools"]), None);
        assert_eq!(word(&"x".repeat(100), &["tools"]), None);
        assert_ne!(
            meant("allow", &["tools", "default"]).map(|m| m.hint),
            Some("")
        );
    }
}
