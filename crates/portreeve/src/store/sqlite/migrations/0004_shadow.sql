-- A policy that is tried beside the one in force: decided and recorded, never answered with.
ALTER TABLE grant_servers ADD COLUMN shadow TEXT;

CREATE INDEX grant_servers_by_shadow ON grant_servers (shadow);
