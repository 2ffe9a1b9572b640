-- Whether what happened has failed, or is under way yet: who is refused because of what is under way waits seconds, and
-- not until it would count no more.

ALTER TABLE throttle_hits ADD COLUMN failed boolean NOT NULL DEFAULT false;

GRANT UPDATE (failed) ON throttle_hits TO segmentation_all;
