-- What a verdict says of the pinned definition: words, separated by spaces where there are several.
-- Without a class nothing is known; without bits the tool counts as having them all.
ALTER TABLE pins ADD COLUMN class TEXT;
ALTER TABLE pins ADD COLUMN also TEXT;
ALTER TABLE pins ADD COLUMN bits TEXT;
