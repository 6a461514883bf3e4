-- Of every script of the results. KEYS[1] is what all keys begin with; days and domains are written as in reports.
local BASE = KEYS[1]
local DAYS = BASE .. ':days'
local CLOSED = BASE .. ':closed'
local BATCHES = BASE .. ':batches'
local ADMISSION_DAYS = BASE .. ':admission-days'
local function sumsKey(day) return BASE .. ':sums:' .. day end
local function namesKey(day) return BASE .. ':names:' .. day end
local function dueKey(day) return BASE .. ':due:' .. day end
local function doneKey(day) return BASE .. ':done:' .. day end
local function admissionsKey(day) return BASE .. ':admissions:' .. day end
local function reportKey(day, domain) return BASE .. ':report:' .. day .. ':' .. domain end
