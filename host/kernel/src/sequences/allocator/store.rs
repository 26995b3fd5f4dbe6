//! The statements by which the nodes on PostgreSQL share a series.

#[derive(sqlx::FromRow)]
pub(super) struct Held {
    pub call: String,
    pub value: i64,
    pub fence: i64,
}

#[derive(sqlx::FromRow)]
pub(super) struct Next {
    pub value: i64,
}

/// For each call of the JSON array `$2` one value: the lowest free ones that no other node is just taking, else from the head
/// on; held under new fencing tokens. The free ones are chosen in an array, which is made once: a sub-select after `IN` may be run for each
/// row, and takes others each time (PostgreSQL, bug 15715).
pub(super) const TAKE: &str = "\
WITH wanted AS (
    SELECT call, n FROM jsonb_array_elements_text($2::jsonb) WITH ORDINALITY AS w (call, n)
), freed AS (
    DELETE FROM sequence_free WHERE id = ANY(ARRAY(
        SELECT id FROM sequence_free WHERE series = $1 ORDER BY value
        LIMIT (SELECT COUNT(*) FROM wanted) FOR UPDATE SKIP LOCKED
    )) RETURNING value
), missing AS (
    SELECT (SELECT COUNT(*) FROM wanted) - (SELECT COUNT(*) FROM freed) AS n
), grown AS (
    INSERT INTO sequence_head AS h (series, head) SELECT $1, n FROM missing WHERE n > 0
    ON CONFLICT (series) DO UPDATE SET head = h.head + excluded.head
    RETURNING head
), taken AS (
    SELECT value FROM freed
    UNION ALL
    SELECT generate_series(head - missing.n + 1, head) FROM grown, missing
), numbered AS (
    SELECT value, ROW_NUMBER() OVER (ORDER BY value) AS n FROM taken
)
INSERT INTO sequence_hold (id, version, series, value, call, again, until_ms)
SELECT $1 || '/' || lpad(value::text, 19, '0'), nextval('sequence_fence'), $1, value, call, $3, $4
FROM numbered JOIN wanted USING (n)
RETURNING call, value, version AS fence";

pub(super) const PEEK: &str = "\
SELECT COALESCE(
    (SELECT MIN(value) FROM sequence_free WHERE series = $1),
    (SELECT head + 1 FROM sequence_head WHERE series = $1),
    1
) AS value";

/// Only the holder of the token frees the value, and only once; a series that allows gaps issues nothing again.
pub(super) const GIVE_BACK: &str = "\
WITH released AS (
    DELETE FROM sequence_hold WHERE id = $1 AND version = $2 RETURNING id, series, value, again
)
INSERT INTO sequence_free (id, series, value) SELECT id, series, value FROM released WHERE again = 1
ON CONFLICT (id) DO NOTHING";

pub(super) const ABANDON: &str = "\
WITH released AS (
    DELETE FROM sequence_hold WHERE call = $1 RETURNING id, series, value, again
)
INSERT INTO sequence_free (id, series, value) SELECT id, series, value FROM released WHERE again = 1
ON CONFLICT (id) DO NOTHING";

/// Holds that a commit is just removing are left to it: waiting for several of them could be a deadlock.
pub(super) const SWEEP: &str = "\
WITH due AS (
    SELECT id FROM sequence_hold WHERE until_ms <= $1 FOR UPDATE SKIP LOCKED
), released AS (
    DELETE FROM sequence_hold h USING due WHERE h.id = due.id RETURNING h.id, h.series, h.value, h.again
)
INSERT INTO sequence_free (id, series, value) SELECT id, series, value FROM released WHERE again = 1
ON CONFLICT (id) DO NOTHING";
