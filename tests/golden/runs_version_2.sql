BEGIN TRANSACTION;
CREATE TABLE meter (
            run INTEGER NOT NULL REFERENCES run (key) ON DELETE CASCADE,
            component TEXT NOT NULL,
            name TEXT NOT NULL,
            trust TEXT NOT NULL,
            PRIMARY KEY (run, component)
        );
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
        , thinned INTEGER NOT NULL DEFAULT 0);
INSERT INTO "run" VALUES(1,'r1','2026-11-01T10:01:00Z','finished','{"id":"r1","origin":"run","started":"2026-11-01T10:01:00Z","wall_s":60.0,"state":"finished","label":"old 1","host":{"id":"h1","cpu":"Some CPU","cores":8,"system":"Linux","software":{"python":"3.11"}},"devices":[{"key":"gpu:0","kind":"gpu","name":"NVIDIA H100 80GB HBM3","hardware":"h100-sxm"}],"energy":[{"component":"gpu:0","meter":"nvml","trust":"counter","energy_j":36000.0,"duration_s":60.0,"coverage":1.0}],"conditions":[{"component":"gpu:0","busy":0.97,"throttled":0.1,"reasons":[],"others":0.02}],"timings":[{"what":"training","component":"gpu:0","devices":1,"precision":"bf16","kind":"language","arch":"decoder","flop":1000000000000000.0,"time_s":2.5,"log_sd":0.05,"repetitions":20,"rejected":0,"power_w":600.0,"trust":"counter","params":1000000000.0}],"simulated":false,"notes":["a note"]}',NULL,NULL,NULL,NULL,NULL,1761991680.0,0);
INSERT INTO "run" VALUES(2,'r6','2026-11-01T10:06:00Z','finished','{"id":"r6","origin":"bench","started":"2026-11-01T10:06:00Z","wall_s":60.0,"state":"finished","label":"old 6","host":{"id":"h1","cpu":"Some CPU","cores":8,"system":"Linux","software":{"python":"3.11"}},"devices":[{"key":"gpu:0","kind":"gpu","name":"NVIDIA H100 80GB HBM3","hardware":"h100-sxm"}],"energy":[{"component":"gpu:0","meter":"nvml","trust":"counter","energy_j":36000.0,"duration_s":60.0,"coverage":1.0}],"conditions":[{"component":"gpu:0","busy":0.97,"throttled":0.1,"reasons":[],"others":0.02}],"timings":[{"what":"training","component":"gpu:0","devices":1,"precision":"bf16","kind":"language","arch":"decoder","flop":1000000000000000.0,"time_s":2.5,"log_sd":0.05,"repetitions":20,"rejected":0,"power_w":600.0,"trust":"counter","params":1000000000.0},{"what":"idle","component":"gpu:0","devices":1,"time_s":10.0,"repetitions":1,"rejected":0,"power_w":70.0,"trust":"sampled"}],"simulated":false,"notes":["a note"]}',NULL,NULL,NULL,NULL,NULL,1761991680.0,0);
INSERT INTO "run" VALUES(3,'r8','2026-11-01T10:08:00Z','running','{"id":"r8","origin":"run","started":"2026-11-01T10:08:00Z","wall_s":60.0,"state":"running","label":"old 8","host":{"id":"h1","cpu":"Some CPU","cores":8,"system":"Linux","software":{"python":"3.11"}},"devices":[{"key":"gpu:0","kind":"gpu","name":"NVIDIA H100 80GB HBM3","hardware":"h100-sxm"}],"energy":[],"conditions":[],"timings":[],"simulated":false,"notes":["a note"]}','m1','b1','s1',4711,'17',1761991680.0,0);
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
INSERT INTO "sample" VALUES(3,'gpu:0',0.0,300.0,0.0,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "sample" VALUES(3,'gpu:0',1.0,300.0,300.0,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "sample" VALUES(3,'gpu:0',2.0,300.0,600.0,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "sample" VALUES(3,'gpu:0',3.0,300.0,900.0,NULL,NULL,NULL,NULL,NULL,NULL);
CREATE INDEX sample_of_run ON sample (run, component, time_s);
PRAGMA user_version = 2;
PRAGMA application_id = 1466004596;
COMMIT;
