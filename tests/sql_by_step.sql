-- What every dialect says for every step; tests/test_sql_dialects.py holds them to it.

-- # dedupe_staged
-- mssql
DELETE t FROM [s].[t__staged] AS t WHERE EXISTS (SELECT 1 FROM [s].[t__staged] AS o WHERE o.[id] = t.[id] AND o.[code] = t.[code] AND DATALENGTH(o.[id]) = DATALENGTH(t.[id]) AND DATALENGTH(o.[code]) = DATALENGTH(t.[code]) AND o.[_seq] > t.[_seq])
-- postgres
DELETE FROM "s"."t__staged" AS t WHERE EXISTS (SELECT 1 FROM "s"."t__staged" AS o WHERE o."id" = t."id" AND o."code" = t."code" AND o."_seq" > t."_seq")
-- clickhouse
SELECT count() FROM (SELECT 1 FROM `s`.`t__staged` GROUP BY `id`, `code` HAVING count() > 1)
DELETE FROM `s`.`t__staged` WHERE (`id`, `code`, `_seq`) NOT IN (SELECT `id`, `code`, max(`_seq`) FROM `s`.`t__staged` GROUP BY `id`, `code`)
-- bigquery
DELETE FROM `s`.`t__staged` AS t WHERE EXISTS (SELECT 1 FROM `s`.`t__staged` AS o WHERE o.`id` = t.`id` AND o.`code` = t.`code` AND o.`_seq` > t.`_seq`)

-- # swap_in
-- mssql
SELECT COUNT_BIG(*) FROM [s].[t] AS t WHERE NOT EXISTS (SELECT 1 FROM [s].[t__staged] AS o WHERE o.[id] = t.[id] AND o.[code] = t.[code] AND DATALENGTH(o.[id]) = DATALENGTH(t.[id]) AND DATALENGTH(o.[code]) = DATALENGTH(t.[code]))
SELECT COUNT_BIG(*) FROM [s].[t] AS t WHERE EXISTS (SELECT 1 FROM [s].[t__staged] AS o WHERE o.[id] = t.[id] AND o.[code] = t.[code] AND DATALENGTH(o.[id]) = DATALENGTH(t.[id]) AND DATALENGTH(o.[code]) = DATALENGTH(t.[code]))
TRUNCATE TABLE [s].[t]
INSERT INTO [s].[t] WITH (TABLOCK) ([id], [code], [day], [at], [load_id], [loaded_at]) SELECT t.[id], t.[code], t.[day], t.[at], t.[load_id], t.[loaded_at] FROM [s].[t__staged] AS t
-- postgres
SELECT COUNT(*) FROM "s"."t" AS t WHERE 1 = 1 AND NOT EXISTS (SELECT 1 FROM "s"."t__staged" AS o WHERE o."id" = t."id" AND o."code" = t."code")
SELECT COUNT(*) FROM "s"."t" AS t WHERE 1 = 1 AND EXISTS (SELECT 1 FROM "s"."t__staged" AS o WHERE o."id" = t."id" AND o."code" = t."code")
SELECT COUNT(*) FROM "s"."t__staged"
DROP TABLE "s"."t"
ALTER TABLE "s"."t__staged" RENAME TO "t"
ALTER TABLE "s"."t" ALTER COLUMN "load_id" DROP DEFAULT
ALTER TABLE "s"."t" ALTER COLUMN "loaded_at" DROP DEFAULT
-- clickhouse
SELECT count() FROM `s`.`t` WHERE 1 = 1 AND NOT (`id`, `code`) IN (SELECT o.`id`, o.`code` FROM `s`.`t__staged` AS o)
SELECT count() FROM `s`.`t` WHERE 1 = 1 AND (`id`, `code`) IN (SELECT o.`id`, o.`code` FROM `s`.`t__staged` AS o)
SELECT count() FROM `s`.`t__staged`
ALTER TABLE `s`.`t__staged` MODIFY COLUMN `load_id` REMOVE DEFAULT, MODIFY COLUMN `loaded_at` REMOVE DEFAULT
EXCHANGE TABLES `s`.`t__staged` AND `s`.`t`
-- bigquery
SET rows_deleted = rows_deleted + (SELECT COUNT(*) FROM `s`.`t` AS t WHERE 1 = 1 AND NOT EXISTS (SELECT 1 FROM `s`.`t__staged` AS o WHERE o.`id` = t.`id` AND o.`code` = t.`code`))
SET rows_replaced = rows_replaced + (SELECT COUNT(*) FROM `s`.`t` AS t WHERE 1 = 1 AND EXISTS (SELECT 1 FROM `s`.`t__staged` AS o WHERE o.`id` = t.`id` AND o.`code` = t.`code`))
DELETE FROM `s`.`t` AS t WHERE 1 = 1
SET rows_inserted = rows_inserted + (SELECT COUNT(*) FROM `s`.`t__staged` AS t)
INSERT INTO `s`.`t` (`id`, `code`, `day`, `at`, `load_id`, `loaded_at`) SELECT t.`id`, t.`code`, t.`day`, t.`at`, t.`load_id`, t.`loaded_at` FROM `s`.`t__staged` AS t

-- # insert_staged
-- mssql
INSERT INTO [s].[t] ([id], [code], [day], [at], [load_id], [loaded_at]) SELECT t.[id], t.[code], t.[day], t.[at], t.[load_id], t.[loaded_at] FROM [s].[t__staged] AS t WHERE t.[_op] <> 'delete'
-- postgres
INSERT INTO "s"."t" ("id", "code", "day", "at", "load_id", "loaded_at") SELECT t."id", t."code", t."day", t."at", t."load_id", t."loaded_at" FROM "s"."t__staged" AS t WHERE t."_op" <> 'delete'
-- clickhouse
SELECT count() FROM `s`.`t__staged` AS t WHERE t.`_op` <> 'delete'
INSERT INTO `s`.`t` (`id`, `code`, `day`, `at`, `load_id`, `loaded_at`) SELECT t.`id`, t.`code`, t.`day`, t.`at`, t.`load_id`, t.`loaded_at` FROM `s`.`t__staged` AS t WHERE t.`_op` <> 'delete'
-- bigquery
SET rows_inserted = rows_inserted + (SELECT COUNT(*) FROM `s`.`t__staged` AS t WHERE t.`_op` <> 'delete')
INSERT INTO `s`.`t` (`id`, `code`, `day`, `at`, `load_id`, `loaded_at`) SELECT t.`id`, t.`code`, t.`day`, t.`at`, t.`load_id`, t.`loaded_at` FROM `s`.`t__staged` AS t WHERE t.`_op` <> 'delete'

-- # insert_missing
-- mssql
INSERT INTO [s].[t] ([id], [code], [day], [at], [row_hash], [load_id], [loaded_at]) SELECT t.[id], t.[code], t.[day], t.[at], t.[row_hash], t.[load_id], t.[loaded_at] FROM [s].[t__staged] AS t WHERE t.[_op] <> 'delete' AND NOT EXISTS (SELECT 1 FROM [s].[t] AS o WHERE o.[id] = t.[id] AND o.[code] = t.[code] AND DATALENGTH(o.[id]) = DATALENGTH(t.[id]) AND DATALENGTH(o.[code]) = DATALENGTH(t.[code]))
-- postgres
INSERT INTO "s"."t" ("id", "code", "day", "at", "row_hash", "load_id", "loaded_at") SELECT t."id", t."code", t."day", t."at", t."row_hash", t."load_id", t."loaded_at" FROM "s"."t__staged" AS t WHERE t."_op" <> 'delete' AND NOT EXISTS (SELECT 1 FROM "s"."t" AS o WHERE o."id" = t."id" AND o."code" = t."code")
-- clickhouse
SELECT count() FROM `s`.`t__staged` AS t WHERE t.`_op` <> 'delete' AND NOT (`id`, `code`) IN (SELECT o.`id`, o.`code` FROM `s`.`t` AS o)
INSERT INTO `s`.`t` (`id`, `code`, `day`, `at`, `row_hash`, `load_id`, `loaded_at`) SELECT t.`id`, t.`code`, t.`day`, t.`at`, t.`row_hash`, t.`load_id`, t.`loaded_at` FROM `s`.`t__staged` AS t WHERE t.`_op` <> 'delete' AND NOT (`id`, `code`) IN (SELECT o.`id`, o.`code` FROM `s`.`t` AS o)
-- bigquery
SET rows_inserted = rows_inserted + (SELECT COUNT(*) FROM `s`.`t__staged` AS t WHERE t.`_op` <> 'delete' AND NOT EXISTS (SELECT 1 FROM `s`.`t` AS o WHERE o.`id` = t.`id` AND o.`code` = t.`code`))
INSERT INTO `s`.`t` (`id`, `code`, `day`, `at`, `row_hash`, `load_id`, `loaded_at`) SELECT t.`id`, t.`code`, t.`day`, t.`at`, t.`row_hash`, t.`load_id`, t.`loaded_at` FROM `s`.`t__staged` AS t WHERE t.`_op` <> 'delete' AND NOT EXISTS (SELECT 1 FROM `s`.`t` AS o WHERE o.`id` = t.`id` AND o.`code` = t.`code`)

-- # delete_staged_keys
-- mssql
DELETE t FROM [s].[t] AS t WHERE EXISTS (SELECT 1 FROM [s].[t__staged] AS o WHERE o.[id] = t.[id] AND o.[code] = t.[code] AND DATALENGTH(o.[id]) = DATALENGTH(t.[id]) AND DATALENGTH(o.[code]) = DATALENGTH(t.[code]) AND o.[_op] = 'delete')
DELETE t FROM [s].[t] AS t WHERE EXISTS (SELECT 1 FROM [s].[t__staged] AS o WHERE o.[id] = t.[id] AND o.[code] = t.[code] AND DATALENGTH(o.[id]) = DATALENGTH(t.[id]) AND DATALENGTH(o.[code]) = DATALENGTH(t.[code]))
-- postgres
DELETE FROM "s"."t" AS t WHERE EXISTS (SELECT 1 FROM "s"."t__staged" AS o WHERE o."id" = t."id" AND o."code" = t."code" AND o."_op" = 'delete')
DELETE FROM "s"."t" AS t WHERE EXISTS (SELECT 1 FROM "s"."t__staged" AS o WHERE o."id" = t."id" AND o."code" = t."code")
-- clickhouse
SELECT count() FROM `s`.`t` WHERE (`id`, `code`) IN (SELECT o.`id`, o.`code` FROM `s`.`t__staged` AS o WHERE o.`_op` = 'delete')
SELECT count() FROM `s`.`t` WHERE (`id`, `code`) IN (SELECT o.`id`, o.`code` FROM `s`.`t__staged` AS o) AND NOT (`id`, `code`) IN (SELECT o.`id`, o.`code` FROM `s`.`t__staged` AS o WHERE o.`_op` = 'delete')
DELETE FROM `s`.`t` WHERE (`id`, `code`) IN (SELECT o.`id`, o.`code` FROM `s`.`t__staged` AS o)
-- bigquery
SET rows_deleted = rows_deleted + (SELECT COUNT(*) FROM `s`.`t` AS t WHERE EXISTS (SELECT 1 FROM `s`.`t__staged` AS o WHERE o.`id` = t.`id` AND o.`code` = t.`code` AND o.`_op` = 'delete'))
SET rows_replaced = rows_replaced + (SELECT COUNT(*) FROM `s`.`t` AS t WHERE EXISTS (SELECT 1 FROM `s`.`t__staged` AS o WHERE o.`id` = t.`id` AND o.`code` = t.`code`) AND NOT EXISTS (SELECT 1 FROM `s`.`t__staged` AS o WHERE o.`id` = t.`id` AND o.`code` = t.`code` AND o.`_op` = 'delete'))
DELETE FROM `s`.`t` AS t WHERE EXISTS (SELECT 1 FROM `s`.`t__staged` AS o WHERE o.`id` = t.`id` AND o.`code` = t.`code`)

-- # delete_changed
-- mssql
DELETE t FROM [s].[t] AS t WHERE EXISTS (SELECT 1 FROM [s].[t__staged] AS o WHERE o.[id] = t.[id] AND o.[code] = t.[code] AND DATALENGTH(o.[id]) = DATALENGTH(t.[id]) AND DATALENGTH(o.[code]) = DATALENGTH(t.[code])) AND NOT EXISTS (SELECT 1 FROM [s].[t__staged] AS o WHERE o.[id] = t.[id] AND o.[code] = t.[code] AND o.[row_hash] = t.[row_hash] AND DATALENGTH(o.[id]) = DATALENGTH(t.[id]) AND DATALENGTH(o.[code]) = DATALENGTH(t.[code]) AND DATALENGTH(o.[row_hash]) = DATALENGTH(t.[row_hash]))
-- postgres
DELETE FROM "s"."t" AS t WHERE EXISTS (SELECT 1 FROM "s"."t__staged" AS o WHERE o."id" = t."id" AND o."code" = t."code") AND NOT EXISTS (SELECT 1 FROM "s"."t__staged" AS o WHERE o."id" = t."id" AND o."code" = t."code" AND o."row_hash" = t."row_hash")
-- clickhouse
SELECT count() FROM `s`.`t` WHERE (`id`, `code`) IN (SELECT o.`id`, o.`code` FROM `s`.`t__staged` AS o) AND NOT (`id`, `code`, `row_hash`) IN (SELECT o.`id`, o.`code`, o.`row_hash` FROM `s`.`t__staged` AS o)
DELETE FROM `s`.`t` WHERE (`id`, `code`) IN (SELECT o.`id`, o.`code` FROM `s`.`t__staged` AS o) AND NOT (`id`, `code`, `row_hash`) IN (SELECT o.`id`, o.`code`, o.`row_hash` FROM `s`.`t__staged` AS o)
-- bigquery
SET rows_replaced = rows_replaced + (SELECT COUNT(*) FROM `s`.`t` AS t WHERE EXISTS (SELECT 1 FROM `s`.`t__staged` AS o WHERE o.`id` = t.`id` AND o.`code` = t.`code`) AND NOT EXISTS (SELECT 1 FROM `s`.`t__staged` AS o WHERE o.`id` = t.`id` AND o.`code` = t.`code` AND o.`row_hash` = t.`row_hash`))
DELETE FROM `s`.`t` AS t WHERE EXISTS (SELECT 1 FROM `s`.`t__staged` AS o WHERE o.`id` = t.`id` AND o.`code` = t.`code`) AND NOT EXISTS (SELECT 1 FROM `s`.`t__staged` AS o WHERE o.`id` = t.`id` AND o.`code` = t.`code` AND o.`row_hash` = t.`row_hash`)

-- # delete_absent_keys
-- mssql
DELETE t FROM [s].[t] AS t WHERE NOT EXISTS (SELECT 1 FROM [s].[t__keys] AS o WHERE o.[id] = t.[id] AND o.[code] = t.[code] AND DATALENGTH(o.[id]) = DATALENGTH(t.[id]) AND DATALENGTH(o.[code]) = DATALENGTH(t.[code]))
-- postgres
DELETE FROM "s"."t" AS t WHERE NOT EXISTS (SELECT 1 FROM "s"."t__keys" AS o WHERE o."id" = t."id" AND o."code" = t."code")
-- clickhouse
SELECT count() FROM `s`.`t` WHERE NOT (`id`, `code`) IN (SELECT o.`id`, o.`code` FROM `s`.`t__keys` AS o)
DELETE FROM `s`.`t` WHERE NOT (`id`, `code`) IN (SELECT o.`id`, o.`code` FROM `s`.`t__keys` AS o)
-- bigquery
SET rows_deleted = rows_deleted + (SELECT COUNT(*) FROM `s`.`t` AS t WHERE NOT EXISTS (SELECT 1 FROM `s`.`t__keys` AS o WHERE o.`id` = t.`id` AND o.`code` = t.`code`))
DELETE FROM `s`.`t` AS t WHERE NOT EXISTS (SELECT 1 FROM `s`.`t__keys` AS o WHERE o.`id` = t.`id` AND o.`code` = t.`code`)

-- # delete_window
-- mssql
DELETE t FROM [s].[t] AS t WHERE t.[day] >= CAST('2026-03-01' AS DATE) AND t.[day] < CAST('2026-03-02' AS DATE) AND NOT EXISTS (SELECT 1 FROM [s].[t__staged] AS o WHERE o.[id] = t.[id] AND o.[code] = t.[code] AND DATALENGTH(o.[id]) = DATALENGTH(t.[id]) AND DATALENGTH(o.[code]) = DATALENGTH(t.[code]))
DELETE t FROM [s].[t] AS t WHERE t.[day] >= CAST('2026-03-01' AS DATE) AND t.[day] < CAST('2026-03-02' AS DATE)
-- postgres
DELETE FROM "s"."t" AS t WHERE t."day" >= DATE '2026-03-01' AND t."day" < DATE '2026-03-02' AND NOT EXISTS (SELECT 1 FROM "s"."t__staged" AS o WHERE o."id" = t."id" AND o."code" = t."code")
DELETE FROM "s"."t" AS t WHERE t."day" >= DATE '2026-03-01' AND t."day" < DATE '2026-03-02'
-- clickhouse
SELECT count() FROM `s`.`t` WHERE `day` >= toDate32('2026-03-01') AND `day` < toDate32('2026-03-02') AND NOT (`id`, `code`) IN (SELECT o.`id`, o.`code` FROM `s`.`t__staged` AS o)
SELECT count() FROM `s`.`t` WHERE `day` >= toDate32('2026-03-01') AND `day` < toDate32('2026-03-02') AND (`id`, `code`) IN (SELECT o.`id`, o.`code` FROM `s`.`t__staged` AS o)
DELETE FROM `s`.`t` WHERE `day` >= toDate32('2026-03-01') AND `day` < toDate32('2026-03-02')
-- bigquery
SET rows_deleted = rows_deleted + (SELECT COUNT(*) FROM `s`.`t` AS t WHERE t.`day` >= DATE '2026-03-01' AND t.`day` < DATE '2026-03-02' AND NOT EXISTS (SELECT 1 FROM `s`.`t__staged` AS o WHERE o.`id` = t.`id` AND o.`code` = t.`code`))
SET rows_replaced = rows_replaced + (SELECT COUNT(*) FROM `s`.`t` AS t WHERE t.`day` >= DATE '2026-03-01' AND t.`day` < DATE '2026-03-02' AND EXISTS (SELECT 1 FROM `s`.`t__staged` AS o WHERE o.`id` = t.`id` AND o.`code` = t.`code`))
DELETE FROM `s`.`t` AS t WHERE t.`day` >= DATE '2026-03-01' AND t.`day` < DATE '2026-03-02'

-- # replace_partitions
-- mssql
SELECT COUNT(*) FROM [s].[t__staged] AS t WHERE NOT t.[day] IN (CAST('2026-03-01' AS DATE))
SELECT COUNT_BIG(*) FROM [s].[t] AS t WHERE t.[day] IN (CAST('2026-03-01' AS DATE)) AND NOT EXISTS (SELECT 1 FROM [s].[t__staged] AS o WHERE o.[id] = t.[id] AND o.[code] = t.[code] AND DATALENGTH(o.[id]) = DATALENGTH(t.[id]) AND DATALENGTH(o.[code]) = DATALENGTH(t.[code]))
SELECT COUNT_BIG(*) FROM [s].[t] AS t WHERE t.[day] IN (CAST('2026-03-01' AS DATE)) AND EXISTS (SELECT 1 FROM [s].[t__staged] AS o WHERE o.[id] = t.[id] AND o.[code] = t.[code] AND DATALENGTH(o.[id]) = DATALENGTH(t.[id]) AND DATALENGTH(o.[code]) = DATALENGTH(t.[code]))
SELECT COUNT_BIG(*) FROM [s].[t__staged]
CREATE TABLE [s].[t__old] ([id] BIGINT NOT NULL, [code] NVARCHAR(400) COLLATE Latin1_General_100_BIN2 NOT NULL, [day] DATE NOT NULL, [at] DATETIMEOFFSET(6) NOT NULL, [load_id] NVARCHAR(400) COLLATE Latin1_General_100_BIN2 NOT NULL, [loaded_at] DATETIMEOFFSET(6) NOT NULL) ON [s] ([day])
CREATE CLUSTERED INDEX [t__key] ON [s].[t__old] ([id], [code])
ALTER TABLE [s].[t] SWITCH PARTITION $PARTITION.[s](CAST('2026-03-01' AS DATE)) TO [s].[t__old] PARTITION $PARTITION.[s](CAST('2026-03-01' AS DATE))
ALTER TABLE [s].[t__staged] SWITCH PARTITION $PARTITION.[s](CAST('2026-03-01' AS DATE)) TO [s].[t] PARTITION $PARTITION.[s](CAST('2026-03-01' AS DATE))
DROP TABLE [s].[t__old]
-- postgres
SELECT COUNT(*) FROM "s"."t__staged" AS t WHERE NOT t."day" IN (DATE '2026-03-01')
SELECT COUNT(*) FROM "s"."t" AS t WHERE t."day" IN (DATE '2026-03-01') AND NOT EXISTS (SELECT 1 FROM "s"."t__staged" AS o WHERE o."id" = t."id" AND o."code" = t."code")
SELECT COUNT(*) FROM "s"."t" AS t WHERE t."day" IN (DATE '2026-03-01') AND EXISTS (SELECT 1 FROM "s"."t__staged" AS o WHERE o."id" = t."id" AND o."code" = t."code")
SELECT COUNT(*) FROM "s"."t__staged"
CREATE TABLE IF NOT EXISTS "s"."t__p20260301" PARTITION OF "s"."t" FOR VALUES IN (DATE '2026-03-01')
CREATE TABLE "s"."t__p20260301_new" (LIKE "s"."t", CONSTRAINT "day" CHECK ("day" = DATE '2026-03-01'))
INSERT INTO "s"."t__p20260301_new" ("id", "code", "day", "at", "load_id", "loaded_at") SELECT "id", "code", "day", "at", "load_id", "loaded_at" FROM "s"."t__staged" WHERE "day" = DATE '2026-03-01'
ALTER TABLE "s"."t" DETACH PARTITION "s"."t__p20260301"
DROP TABLE "s"."t__p20260301"
ALTER TABLE "s"."t" ATTACH PARTITION "s"."t__p20260301_new" FOR VALUES IN (DATE '2026-03-01')
ALTER TABLE "s"."t__p20260301_new" DROP CONSTRAINT "day"
ALTER TABLE "s"."t__p20260301_new" RENAME TO "t__p20260301"
-- clickhouse
SELECT COUNT(*) FROM `s`.`t__staged` AS t WHERE NOT `day` IN (toDate32('2026-03-01'))
SELECT count() FROM `s`.`t` WHERE `day` IN (toDate32('2026-03-01')) AND NOT (`id`, `code`) IN (SELECT o.`id`, o.`code` FROM `s`.`t__staged` AS o)
SELECT count() FROM `s`.`t` WHERE `day` IN (toDate32('2026-03-01')) AND (`id`, `code`) IN (SELECT o.`id`, o.`code` FROM `s`.`t__staged` AS o)
SELECT count() FROM `s`.`t__staged`
ALTER TABLE `s`.`t` REPLACE PARTITION '2026-03-01' FROM `s`.`t__staged`
-- bigquery
SELECT IF(COUNT(*) = 0, 0, ERROR(CONCAT(CAST(COUNT(*) AS STRING), ' staged row(s) lie outside the partitions of this load (2026-03-01); read only those or name the others too'))) FROM `s`.`t__staged` AS t WHERE NOT t.`day` IN (DATE '2026-03-01')
SET rows_deleted = rows_deleted + (SELECT COUNT(*) FROM `s`.`t` AS t WHERE t.`day` IN (DATE '2026-03-01') AND NOT EXISTS (SELECT 1 FROM `s`.`t__staged` AS o WHERE o.`id` = t.`id` AND o.`code` = t.`code`))
SET rows_replaced = rows_replaced + (SELECT COUNT(*) FROM `s`.`t` AS t WHERE t.`day` IN (DATE '2026-03-01') AND EXISTS (SELECT 1 FROM `s`.`t__staged` AS o WHERE o.`id` = t.`id` AND o.`code` = t.`code`))
SET rows_inserted = rows_inserted + (SELECT COUNT(*) FROM `s`.`t__staged` AS t)
DELETE FROM `s`.`t` AS t WHERE t.`day` IN (DATE '2026-03-01') AND NOT EXISTS (SELECT 1 FROM `s`.`t__staged` AS o WHERE o.`day` = t.`day`)
bq cp -f s.t__staged$20260301 s.t$20260301

-- # close_changed
-- mssql
UPDATE t SET [valid_to] = CAST('2026-03-01T12:30:00.000001+00:00' AS DATETIMEOFFSET(6)) FROM [s].[t] AS t WHERE t.[valid_to] IS NULL AND EXISTS (SELECT 1 FROM [s].[t__staged] AS o WHERE o.[id] = t.[id] AND o.[code] = t.[code] AND DATALENGTH(o.[id]) = DATALENGTH(t.[id]) AND DATALENGTH(o.[code]) = DATALENGTH(t.[code])) AND NOT EXISTS (SELECT 1 FROM [s].[t__staged] AS o WHERE o.[id] = t.[id] AND o.[code] = t.[code] AND o.[row_hash] = t.[row_hash] AND DATALENGTH(o.[id]) = DATALENGTH(t.[id]) AND DATALENGTH(o.[code]) = DATALENGTH(t.[code]) AND DATALENGTH(o.[row_hash]) = DATALENGTH(t.[row_hash]))
-- postgres
UPDATE "s"."t" AS t SET "valid_to" = TIMESTAMP WITH TIME ZONE '2026-03-01 12:30:00.000001+00:00' WHERE t."valid_to" IS NULL AND EXISTS (SELECT 1 FROM "s"."t__staged" AS o WHERE o."id" = t."id" AND o."code" = t."code") AND NOT EXISTS (SELECT 1 FROM "s"."t__staged" AS o WHERE o."id" = t."id" AND o."code" = t."code" AND o."row_hash" = t."row_hash")
-- clickhouse
SELECT count() FROM `s`.`t` WHERE `valid_to` IS NULL AND (`id`, `code`) IN (SELECT o.`id`, o.`code` FROM `s`.`t__staged` AS o) AND NOT (`id`, `code`, `row_hash`) IN (SELECT o.`id`, o.`code`, o.`row_hash` FROM `s`.`t__staged` AS o)
ALTER TABLE `s`.`t` UPDATE `valid_to` = toDateTime64('2026-03-01 12:30:00.000001', 6, 'UTC') WHERE `valid_to` IS NULL AND (`id`, `code`) IN (SELECT o.`id`, o.`code` FROM `s`.`t__staged` AS o) AND NOT (`id`, `code`, `row_hash`) IN (SELECT o.`id`, o.`code`, o.`row_hash` FROM `s`.`t__staged` AS o)
-- bigquery
SET rows_replaced = rows_replaced + (SELECT COUNT(*) FROM `s`.`t` AS t WHERE t.`valid_to` IS NULL AND EXISTS (SELECT 1 FROM `s`.`t__staged` AS o WHERE o.`id` = t.`id` AND o.`code` = t.`code`) AND NOT EXISTS (SELECT 1 FROM `s`.`t__staged` AS o WHERE o.`id` = t.`id` AND o.`code` = t.`code` AND o.`row_hash` = t.`row_hash`))
UPDATE `s`.`t` AS t SET `valid_to` = TIMESTAMP '2026-03-01 12:30:00.000001+00:00' WHERE t.`valid_to` IS NULL AND EXISTS (SELECT 1 FROM `s`.`t__staged` AS o WHERE o.`id` = t.`id` AND o.`code` = t.`code`) AND NOT EXISTS (SELECT 1 FROM `s`.`t__staged` AS o WHERE o.`id` = t.`id` AND o.`code` = t.`code` AND o.`row_hash` = t.`row_hash`)

-- # close_absent
-- mssql
UPDATE t SET [valid_to] = CAST('2026-03-01T12:30:00.000001+00:00' AS DATETIMEOFFSET(6)) FROM [s].[t] AS t WHERE t.[valid_to] IS NULL AND NOT EXISTS (SELECT 1 FROM [s].[t__keys] AS o WHERE o.[id] = t.[id] AND o.[code] = t.[code] AND DATALENGTH(o.[id]) = DATALENGTH(t.[id]) AND DATALENGTH(o.[code]) = DATALENGTH(t.[code]))
-- postgres
UPDATE "s"."t" AS t SET "valid_to" = TIMESTAMP WITH TIME ZONE '2026-03-01 12:30:00.000001+00:00' WHERE t."valid_to" IS NULL AND NOT EXISTS (SELECT 1 FROM "s"."t__keys" AS o WHERE o."id" = t."id" AND o."code" = t."code")
-- clickhouse
SELECT count() FROM `s`.`t` WHERE `valid_to` IS NULL AND NOT (`id`, `code`) IN (SELECT o.`id`, o.`code` FROM `s`.`t__keys` AS o)
ALTER TABLE `s`.`t` UPDATE `valid_to` = toDateTime64('2026-03-01 12:30:00.000001', 6, 'UTC') WHERE `valid_to` IS NULL AND NOT (`id`, `code`) IN (SELECT o.`id`, o.`code` FROM `s`.`t__keys` AS o)
-- bigquery
SET rows_replaced = rows_replaced + (SELECT COUNT(*) FROM `s`.`t` AS t WHERE t.`valid_to` IS NULL AND NOT EXISTS (SELECT 1 FROM `s`.`t__keys` AS o WHERE o.`id` = t.`id` AND o.`code` = t.`code`))
UPDATE `s`.`t` AS t SET `valid_to` = TIMESTAMP '2026-03-01 12:30:00.000001+00:00' WHERE t.`valid_to` IS NULL AND NOT EXISTS (SELECT 1 FROM `s`.`t__keys` AS o WHERE o.`id` = t.`id` AND o.`code` = t.`code`)

-- # open_versions
-- mssql
INSERT INTO [s].[t] ([id], [code], [day], [at], [row_hash], [load_id], [loaded_at], [valid_from], [valid_to]) SELECT t.[id], t.[code], t.[day], t.[at], t.[row_hash], t.[load_id], t.[loaded_at], t.[loaded_at], CAST(NULL AS DATETIMEOFFSET(6)) FROM [s].[t__staged] AS t WHERE t.[_op] <> 'delete' AND NOT EXISTS (SELECT 1 FROM [s].[t] AS o WHERE o.[id] = t.[id] AND o.[code] = t.[code] AND DATALENGTH(o.[id]) = DATALENGTH(t.[id]) AND DATALENGTH(o.[code]) = DATALENGTH(t.[code]) AND o.[valid_to] IS NULL)
-- postgres
INSERT INTO "s"."t" ("id", "code", "day", "at", "row_hash", "load_id", "loaded_at", "valid_from", "valid_to") SELECT t."id", t."code", t."day", t."at", t."row_hash", t."load_id", t."loaded_at", t."loaded_at", CAST(NULL AS timestamptz(6)) FROM "s"."t__staged" AS t WHERE t."_op" <> 'delete' AND NOT EXISTS (SELECT 1 FROM "s"."t" AS o WHERE o."id" = t."id" AND o."code" = t."code" AND o."valid_to" IS NULL)
-- clickhouse
SELECT count() FROM `s`.`t__staged` AS t WHERE t.`_op` <> 'delete' AND NOT (`id`, `code`) IN (SELECT o.`id`, o.`code` FROM `s`.`t` AS o WHERE o.`valid_to` IS NULL)
INSERT INTO `s`.`t` (`id`, `code`, `day`, `at`, `row_hash`, `load_id`, `loaded_at`, `valid_from`, `valid_to`) SELECT t.`id`, t.`code`, t.`day`, t.`at`, t.`row_hash`, t.`load_id`, t.`loaded_at`, `loaded_at`, NULL FROM `s`.`t__staged` AS t WHERE t.`_op` <> 'delete' AND NOT (`id`, `code`) IN (SELECT o.`id`, o.`code` FROM `s`.`t` AS o WHERE o.`valid_to` IS NULL)
-- bigquery
SET rows_inserted = rows_inserted + (SELECT COUNT(*) FROM `s`.`t__staged` AS t WHERE t.`_op` <> 'delete' AND NOT EXISTS (SELECT 1 FROM `s`.`t` AS o WHERE o.`id` = t.`id` AND o.`code` = t.`code` AND o.`valid_to` IS NULL))
INSERT INTO `s`.`t` (`id`, `code`, `day`, `at`, `row_hash`, `load_id`, `loaded_at`, `valid_from`, `valid_to`) SELECT t.`id`, t.`code`, t.`day`, t.`at`, t.`row_hash`, t.`load_id`, t.`loaded_at`, t.`loaded_at`, CAST(NULL AS TIMESTAMP) FROM `s`.`t__staged` AS t WHERE t.`_op` <> 'delete' AND NOT EXISTS (SELECT 1 FROM `s`.`t` AS o WHERE o.`id` = t.`id` AND o.`code` = t.`code` AND o.`valid_to` IS NULL)
