-- People, and the calls that wait for them.

CREATE TABLE people (
    name         TEXT PRIMARY KEY,
    role         TEXT NOT NULL CHECK (role IN ('admin', 'policy_manager', 'approver', 'viewer')),
    identities   TEXT NOT NULL,
    password     TEXT,
    token_sha256 TEXT UNIQUE CHECK (length(token_sha256) = 64),
    created_at   INTEGER NOT NULL
) STRICT;

-- `params` is sealed, and gone once the approval has ended.
CREATE TABLE approvals (
    id         TEXT PRIMARY KEY,
    binding    TEXT NOT NULL,
    grant_name TEXT NOT NULL,
    identity   TEXT NOT NULL,
    server     TEXT NOT NULL,
    method     TEXT NOT NULL,
    subject    TEXT NOT NULL,
    params     BLOB,
    policy     TEXT NOT NULL,
    needs      TEXT NOT NULL,
    asked_at   INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    state      TEXT NOT NULL CHECK (state IN ('waiting', 'approved', 'denied', 'expired', 'used')),
    votes      TEXT NOT NULL,
    ended_at   INTEGER,
    live       INTEGER NOT NULL CHECK (live IN (0, 1))
) STRICT;

-- The same call again joins the same entry.
CREATE UNIQUE INDEX approvals_live ON approvals (binding) WHERE live;
CREATE INDEX approvals_by_end ON approvals (live, expires_at);
