-- What callers have seen, for flow rules. A time may lie up to a minute ahead: rounded towards
-- refusing.
CREATE TABLE labels (
    subject TEXT NOT NULL,
    label   TEXT NOT NULL,
    at      INTEGER NOT NULL,
    PRIMARY KEY (subject, label)
) STRICT, WITHOUT ROWID;

CREATE INDEX labels_by_time ON labels (at);
