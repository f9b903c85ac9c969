-- Reject the rows whose time lies ahead of the clock of the machine that fetched them: the past has no such rows. A
-- fetch rejects them itself, but older versions landed them. In: staged_row, reject. Out: the same two tables.

INSERT INTO reject BY NAME
WITH row_ahead AS (
    SELECT part, currency, time, observed_at,
        json_merge_patch(to_json(s), '{"observed_at": null, "latest": null, "part": null}')::VARCHAR AS raw
    FROM staged_row s WHERE time > latest
)
SELECT format('{}/s{:04}/ahead/{}', getvariable('run_id'), part, row_number() OVER (PARTITION BY part ORDER BY time, raw))
        AS reject_id,
    currency, observed_at, format('its time, {} UTC, lies ahead', strftime(time AT TIME ZONE 'UTC', '%Y-%m-%d %H:%M')) AS reason,
    raw
FROM row_ahead;

DELETE FROM staged_row WHERE time > latest;
