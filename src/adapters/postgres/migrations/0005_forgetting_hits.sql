-- Who forgets old hits locks them first and leaves aside those that somebody else has locked to forget them. PostgreSQL
-- lets lock only who may change at least one column.

GRANT UPDATE (at) ON throttle_hits TO segmentation_all;
