-- Which judge's verdict stands with a pin, and why a person is to look at its definition first.
ALTER TABLE pins ADD COLUMN judge INTEGER;
ALTER TABLE pins ADD COLUMN held TEXT;
