-- A list of calls runs by id, and a filter by time is turned into bounds of ids. That is right for calls whose ids, as
-- those that package store makes, begin with the millisecond in which they were dispatched, give or take one. The
-- others are strays, and are looked for one by one.

ALTER TABLE calls ADD COLUMN stray INTEGER NOT NULL DEFAULT 0;

-- Of the 22 digits in base 62, of a number of 130 bits, the first nine tell its upper 48, the milliseconds, to within 0.05: they are
-- multiplied by 62^13 / 2^82.
UPDATE calls SET stray = 1 WHERE (id GLOB 'call_[0-9A-Za-z][0-9A-Za-z][0-9A-Za-z][0-9A-Za-z][0-9A-Za-z][0-9A-Za-z][0-9A-Za-z][0-9A-Za-z][0-9A-Za-z]*' AND length(id) = 27
    AND (SELECT 0.041364932410086405 * (
            (instr(digits, substr(id, 6, 1)) - 1) * 218340105584896
            + (instr(digits, substr(id, 7, 1)) - 1) * 3521614606208
            + (instr(digits, substr(id, 8, 1)) - 1) * 56800235584
            + (instr(digits, substr(id, 9, 1)) - 1) * 916132832
            + (instr(digits, substr(id, 10, 1)) - 1) * 14776336
            + (instr(digits, substr(id, 11, 1)) - 1) * 238328
            + (instr(digits, substr(id, 12, 1)) - 1) * 3844
            + (instr(digits, substr(id, 13, 1)) - 1) * 62
            + (instr(digits, substr(id, 14, 1)) - 1))
        FROM (SELECT '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz' AS digits)
    ) - dispatched_at / 1000 BETWEEN -0.9 AND 1.9) IS NOT TRUE;

CREATE INDEX calls_stray ON calls (org, id) WHERE stray = 1;
