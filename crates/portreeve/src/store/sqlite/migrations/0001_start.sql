-- Times are milliseconds since the epoch. Secrets inside servers.target are sealed.

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE servers (
    name                TEXT PRIMARY KEY,
    target              TEXT NOT NULL,
    new_tools           TEXT NOT NULL,
    accept              TEXT NOT NULL,
    private             INTEGER NOT NULL CHECK (private IN (0, 1)),
    timeout_ms          INTEGER,
    owner               TEXT NOT NULL CHECK (owner IN ('store', 'file')),
    revision            INTEGER NOT NULL CHECK (revision > 0),
    created_at          INTEGER NOT NULL,
    first_list_accepted INTEGER NOT NULL DEFAULT 0 CHECK (first_list_accepted IN (0, 1))
) STRICT;

-- A policy that is not live keeps its versions: the ledger names them.
CREATE TABLE policies (
    name  TEXT PRIMARY KEY,
    owner TEXT NOT NULL CHECK (owner IN ('store', 'file')),
    live  INTEGER NOT NULL CHECK (live IN (0, 1))
) STRICT;

CREATE TABLE policy_versions (
    name       TEXT NOT NULL REFERENCES policies (name),
    version    INTEGER NOT NULL CHECK (version > 0),
    text       TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    by         TEXT NOT NULL,
    PRIMARY KEY (name, version)
) STRICT;

CREATE TRIGGER policy_versions_never_change BEFORE UPDATE ON policy_versions
BEGIN
    SELECT RAISE(ABORT, 'a policy version never changes');
END;

CREATE TRIGGER policy_versions_stay BEFORE DELETE ON policy_versions
BEGIN
    SELECT RAISE(ABORT, 'a policy version stays');
END;

CREATE TABLE grants (
    label        TEXT PRIMARY KEY,
    identity     TEXT,
    token_sha256 TEXT NOT NULL UNIQUE CHECK (length(token_sha256) = 64),
    expires_at   INTEGER,
    revoked_at   INTEGER,
    created_at   INTEGER NOT NULL,
    rotated_at   INTEGER,
    owner        TEXT NOT NULL CHECK (owner IN ('store', 'file'))
) STRICT;

-- Names, not references: a server or policy that the file drops and declares again later is
-- the same one, and until then the grant has nothing there.
CREATE TABLE grant_servers (
    label  TEXT NOT NULL REFERENCES grants (label) ON DELETE CASCADE,
    server TEXT NOT NULL,
    policy TEXT,
    PRIMARY KEY (label, server)
) STRICT, WITHOUT ROWID;

CREATE INDEX grant_servers_by_server ON grant_servers (server);
CREATE INDEX grant_servers_by_policy ON grant_servers (policy);

CREATE TABLE pins (
    server             TEXT NOT NULL REFERENCES servers (name) ON DELETE CASCADE,
    tool               TEXT NOT NULL,
    hash               TEXT NOT NULL,
    definition         TEXT NOT NULL,
    state              TEXT NOT NULL CHECK (state IN ('accepted', 'new', 'changed')),
    changed_hash       TEXT,
    changed_definition TEXT,
    first_seen         INTEGER NOT NULL,
    accepted_at        INTEGER,
    PRIMARY KEY (server, tool),
    CHECK ((state = 'changed') = (changed_hash IS NOT NULL)),
    CHECK ((state = 'changed') = (changed_definition IS NOT NULL))
) STRICT;

-- In the order in which they were put: a book that a person accepted as cut goes on from a lower
-- record than the anchor before.
CREATE TABLE anchors (
    id   INTEGER PRIMARY KEY AUTOINCREMENT,
    seq  INTEGER NOT NULL,
    hash TEXT NOT NULL,
    at   INTEGER NOT NULL
) STRICT;
