-- A store of version 1, as `sqlite3 runs.sqlite .dump` writes it, with the header's two numbers.
-- The machine of the run that goes on is none that exists: nothing was heard of it since 2026.
PRAGMA application_id = 1466004596;
PRAGMA user_version = 1;
BEGIN TRANSACTION;
CREATE TABLE run (
            key INTEGER PRIMARY KEY,
            id TEXT NOT NULL UNIQUE,
            started TEXT NOT NULL,
            state TEXT NOT NULL,
            document TEXT NOT NULL,
            machine TEXT,
            boot TEXT,
            space TEXT,
            pid INTEGER,
            born TEXT,
            heard_s REAL
        );
INSERT INTO run VALUES(1,'20260301T101500Z-0badcafe','2026-03-01T10:15:00Z','finished','{"id":"20260301T101500Z-0badcafe","origin":"run","started":"2026-03-01T10:15:00Z","wall_s":12.5,"state":"finished","exit_code":0,"host":{"id":"h1","cpu":"Some CPU","cores":8,"system":"Linux 6.1 x86_64","software":{"python":"3.11.7"}},"devices":[{"key":"gpu:0","kind":"gpu","name":"NVIDIA H200","hardware":"h200-sxm"}],"energy":[{"component":"gpu:0","meter":"nvml counter","trust":"counter","energy_j":6250.0,"duration_s":12.5,"coverage":1.0}],"conditions":[],"timings":[],"simulated":false,"notes":[]}',NULL,NULL,NULL,NULL,NULL,1772360112.0);
INSERT INTO run VALUES(2,'20260301T111500Z-0badbeef','2026-03-01T11:15:00Z','running','{"id":"20260301T111500Z-0badbeef","origin":"run","started":"2026-03-01T11:15:00Z","wall_s":0.0,"state":"running","host":{"id":"h1","cpu":"Some CPU","cores":8,"system":"Linux 6.1 x86_64","software":{}},"devices":[],"energy":[],"conditions":[],"timings":[],"simulated":false,"notes":[]}','0123456789abcdef','7a6e2b5c-0000-4000-8000-000000000000','pid:[4026531836]',4242,'123456',1772363712.0);
CREATE TABLE sample (
            run INTEGER NOT NULL REFERENCES run (key) ON DELETE CASCADE,
            component TEXT NOT NULL,
            time_s REAL NOT NULL,
            power_w REAL,
            energy_j REAL,
            temperature_c REAL,
            clock_hz REAL,
            busy REAL,
            memory_busy REAL,
            throttled_by TEXT,
            others REAL
        );
INSERT INTO sample VALUES(1,'gpu:0',100.0,500.0,1000.0,61.0,1980000000.0,1.0,0.5,NULL,NULL);
INSERT INTO sample VALUES(1,'gpu:0',112.5,500.0,7250.0,64.0,1755000000.0,1.0,0.5,'power
heat',NULL);
INSERT INTO sample VALUES(2,'gpu:0',200.0,300.0,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO sample VALUES(2,'gpu:0',201.0,310.0,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
CREATE INDEX sample_of_run ON sample (run, component, time_s);
COMMIT;
