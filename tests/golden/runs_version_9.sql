BEGIN TRANSACTION;
CREATE TABLE alike (
        key INTEGER PRIMARY KEY,
        level NOT NULL, hardware NOT NULL, what NOT NULL, host NOT NULL, precision NOT NULL, kind NOT NULL, arch NOT NULL, program NOT NULL, own NOT NULL, steps NOT NULL, devices NOT NULL, bucket NOT NULL, pace NOT NULL,
        params REAL, hidden REAL, seq_len REAL, tokens REAL,
        runs REAL NOT NULL DEFAULT 0, whole REAL NOT NULL DEFAULT 0, log_flop REAL NOT NULL DEFAULT 0, log_time REAL NOT NULL DEFAULT 0, spread REAL NOT NULL DEFAULT 0, disturbed REAL NOT NULL DEFAULT 0, powered REAL NOT NULL DEFAULT 0, log_power REAL NOT NULL DEFAULT 0, counted REAL NOT NULL DEFAULT 0, log_steps REAL NOT NULL DEFAULT 0, known REAL NOT NULL DEFAULT 0, log_operations REAL NOT NULL DEFAULT 0, log_traffic REAL NOT NULL DEFAULT 0,
        count INTEGER NOT NULL DEFAULT 0,
        newest TEXT NOT NULL DEFAULT '',
        UNIQUE (level, hardware, what, host, precision, kind, arch, program, own, steps, devices, bucket, pace)
    );
INSERT INTO "alike" VALUES(1,0,'h100-sxm','training','h1','bf16','language','decoder','1e+09 parameters',1,1,1,69,68,1000000000.0,NULL,NULL,NULL,1.0,1.0,3.45387763949106840755e+01,5.59615787935422659415e-01,1.25000000000000029707e-04,1.85692502512524948432e-01,1.0,6.39692965521614631541e+00,1.0,2.99573227355399085425e+00,0.0,0.0,0.0,1,'["2026-11-01T10:01:00Z", "r1", "old 1", ["throttled 10 % of the time", "others used 40 % of it"]]');
INSERT INTO "alike" VALUES(2,1,'h100-sxm','training','h1','bf16','language','decoder','',1,1,1,17,34,1000000000.0,NULL,NULL,NULL,1.0,1.0,3.45387763949106840755e+01,5.59615787935422659415e-01,1.25000000000000029707e-04,1.85692502512524948432e-01,1.0,6.39692965521614631541e+00,1.0,2.99573227355399085425e+00,0.0,0.0,0.0,1,'["2026-11-01T10:01:00Z", "r1", "old 1", ["throttled 10 % of the time", "others used 40 % of it"]]');
INSERT INTO "alike" VALUES(3,0,'h100-sxm','training','h1','bf16','language','decoder','1e+09 parameters',0,1,1,69,67,1000000000.0,NULL,NULL,NULL,1.0,1.0,3.45387763949106840755e+01,9.16290731874155106595e-01,1.25000000000000029707e-04,5.00000000000000097144e-03,1.0,6.39692965521614631541e+00,0.0,0.0,0.0,0.0,0.0,1,'["2026-11-01T10:06:00Z", "r6", "old 6", ["throttled 10 % of the time"]]');
INSERT INTO "alike" VALUES(4,1,'h100-sxm','training','h1','bf16','language','decoder','',0,1,1,17,34,1000000000.0,NULL,NULL,NULL,1.0,1.0,3.45387763949106840755e+01,9.16290731874155106595e-01,1.25000000000000029707e-04,5.00000000000000097144e-03,1.0,6.39692965521614631541e+00,0.0,0.0,0.0,0.0,0.0,1,'["2026-11-01T10:06:00Z", "r6", "old 6", ["throttled 10 % of the time"]]');
CREATE TABLE answer (
        question TEXT PRIMARY KEY,
        number INTEGER NOT NULL,
        digest INTEGER NOT NULL,
        content TEXT NOT NULL
    );
CREATE TABLE change (number INTEGER NOT NULL);
INSERT INTO "change" VALUES(20);
CREATE TABLE figure (
        run INTEGER NOT NULL REFERENCES run (key) ON DELETE CASCADE,
        hardware TEXT NOT NULL,
        simulated INTEGER NOT NULL,
        what TEXT NOT NULL,
        precision TEXT NOT NULL,
        kind TEXT NOT NULL,
        arch TEXT NOT NULL,
        rate REAL,
        power_w REAL
    );
INSERT INTO "figure" VALUES(1,'h100-sxm',0,'training','bf16','language','decoder',400000000000000.0,600.0);
INSERT INTO "figure" VALUES(1,'h100-sxm',0,'run','','','',NULL,600.0);
INSERT INTO "figure" VALUES(2,'h100-sxm',0,'training','bf16','language','decoder',400000000000000.0,600.0);
INSERT INTO "figure" VALUES(2,'h100-sxm',0,'idle','','','',NULL,70.0);
CREATE TABLE meter (
            run INTEGER NOT NULL REFERENCES run (key) ON DELETE CASCADE,
            component TEXT NOT NULL,
            name TEXT NOT NULL,
            trust TEXT NOT NULL,
            PRIMARY KEY (run, component)
        );
CREATE TABLE observation (
        run INTEGER NOT NULL REFERENCES run (key) ON DELETE CASCADE,
        fine INTEGER NOT NULL,
        coarse INTEGER NOT NULL,
        newest TEXT NOT NULL,
        runs REAL NOT NULL, whole REAL NOT NULL, log_flop REAL NOT NULL, log_time REAL NOT NULL, spread REAL NOT NULL, disturbed REAL NOT NULL, powered REAL NOT NULL, log_power REAL NOT NULL, counted REAL NOT NULL, log_steps REAL NOT NULL, known REAL NOT NULL, log_operations REAL NOT NULL, log_traffic REAL NOT NULL
    );
INSERT INTO "observation" VALUES(1,1,2,'["2026-11-01T10:01:00Z", "r1", "old 1", ["throttled 10 % of the time", "others used 40 % of it"]]',1.0,1.0,3.45387763949106840755e+01,5.59615787935422659415e-01,1.25000000000000029707e-04,1.85692502512524948432e-01,1.0,6.39692965521614631541e+00,1.0,2.99573227355399085425e+00,0.0,0.0,0.0);
INSERT INTO "observation" VALUES(2,3,4,'["2026-11-01T10:06:00Z", "r6", "old 6", ["throttled 10 % of the time"]]',1.0,1.0,3.45387763949106840755e+01,9.16290731874155106595e-01,1.25000000000000029707e-04,5.00000000000000097144e-03,1.0,6.39692965521614631541e+00,0.0,0.0,0.0,0.0,0.0);
CREATE TABLE part (
        run INTEGER NOT NULL REFERENCES run (key) ON DELETE CASCADE,
        hardware TEXT NOT NULL,
        simulated INTEGER NOT NULL,
        name TEXT NOT NULL,
        started TEXT NOT NULL
    );
INSERT INTO "part" VALUES(1,'h100-sxm',0,'NVIDIA H100 80GB HBM3','2026-11-01T10:01:00Z');
INSERT INTO "part" VALUES(2,'h100-sxm',0,'NVIDIA H100 80GB HBM3','2026-11-01T10:06:00Z');
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
        , thinned INTEGER NOT NULL DEFAULT 0, summarised INTEGER NOT NULL DEFAULT 0);
INSERT INTO "run" VALUES(1,'r1','2026-11-01T10:01:00Z','finished','{"format":1,"id":"r1","origin":"run","started":"2026-11-01T10:01:00Z","wall_s":60.0,"state":"finished","label":"old 1","host":{"id":"h1","cpu":"Some CPU","cores":8,"system":"Linux","software":{"python":"3.11"}},"devices":[{"key":"gpu:0","kind":"gpu","name":"NVIDIA H100 80GB HBM3","hardware":"h100-sxm"}],"energy":[{"component":"gpu:0","meter":"nvml","trust":"counter","energy_j":36000.0,"duration_s":60.0,"coverage":1.0}],"conditions":[{"component":"gpu:0","busy":0.9,"throttled":0.1,"reasons":[],"others":0.4}],"timings":[{"what":"training","component":"gpu:0","devices":1,"precision":"bf16","kind":"language","arch":"decoder","flop":1000000000000000.0,"time_s":2.5,"log_sd":0.05,"repetitions":20,"rejected":0,"power_w":600.0,"trust":"counter","params":1000000000.0}],"simulated":false,"notes":["a note"]}',NULL,NULL,NULL,NULL,NULL,1761991680.0,0,1);
INSERT INTO "run" VALUES(2,'r6','2026-11-01T10:06:00Z','finished','{"format":1,"id":"r6","origin":"bench","started":"2026-11-01T10:06:00Z","wall_s":60.0,"state":"finished","label":"old 6","host":{"id":"h1","cpu":"Some CPU","cores":8,"system":"Linux","software":{"python":"3.11"}},"devices":[{"key":"gpu:0","kind":"gpu","name":"NVIDIA H100 80GB HBM3","hardware":"h100-sxm"}],"energy":[{"component":"gpu:0","meter":"nvml","trust":"counter","energy_j":36000.0,"duration_s":60.0,"coverage":1.0}],"conditions":[{"component":"gpu:0","busy":0.97,"throttled":0.1,"reasons":[],"others":0.02}],"timings":[{"what":"training","component":"gpu:0","devices":1,"precision":"bf16","kind":"language","arch":"decoder","flop":1000000000000000.0,"time_s":2.5,"log_sd":0.05,"repetitions":20,"rejected":0,"power_w":600.0,"trust":"counter","params":1000000000.0},{"what":"idle","component":"gpu:0","devices":1,"time_s":10.0,"repetitions":1,"rejected":0,"power_w":70.0,"trust":"sampled"}],"simulated":false,"notes":["a note"]}',NULL,NULL,NULL,NULL,NULL,1761991680.0,0,1);
INSERT INTO "run" VALUES(3,'r8','2026-11-01T10:08:00Z','running','{"format":1,"id":"r8","origin":"run","started":"2026-11-01T10:08:00Z","wall_s":60.0,"state":"running","label":"old 8","host":{"id":"h1","cpu":"Some CPU","cores":8,"system":"Linux","software":{"python":"3.11"}},"devices":[{"key":"gpu:0","kind":"gpu","name":"NVIDIA H100 80GB HBM3","hardware":"h100-sxm"}],"energy":[],"conditions":[],"timings":[],"simulated":false,"notes":["a note"]}','m1','b1','s1',4711,'17',1761991680.0,0,0);
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
CREATE INDEX part_of_run ON part (run);
CREATE INDEX part_of_device ON part (hardware, simulated, started, run);
CREATE INDEX figure_of_run ON figure (run);
CREATE INDEX power_of_work ON figure (hardware, simulated, what, precision, kind, power_w) WHERE power_w IS NOT NULL;
CREATE INDEX run_by_time ON run (summarised, started);
CREATE INDEX run_by_state ON run (state);
CREATE TRIGGER run_counted_insert AFTER INSERT ON run BEGIN
        UPDATE change SET number = number + 1;
    END;
CREATE TRIGGER run_counted_delete AFTER DELETE ON run BEGIN
        UPDATE change SET number = number + 1;
    END;
CREATE TRIGGER run_counted_update AFTER UPDATE OF key, id, started, state, document, summarised ON run BEGIN
        UPDATE change SET number = number + 1;
    END;
CREATE INDEX run_of_device ON part (hardware, simulated, run);
CREATE INDEX run_of_work ON figure (hardware, simulated, what, precision, kind, run, rate);
CREATE TRIGGER run_changed AFTER UPDATE OF document ON run BEGIN
        DELETE FROM part WHERE run = NEW.key;
        DELETE FROM figure WHERE run = NEW.key;
        DELETE FROM observation WHERE run = NEW.key;
        UPDATE run SET summarised = 0 WHERE key = NEW.key;
    END;
CREATE INDEX alike_of_device ON alike (hardware, level);
CREATE INDEX observation_of_run ON observation (run);
CREATE INDEX observation_alike ON observation (fine, newest);
CREATE TRIGGER observation_insert AFTER INSERT ON observation BEGIN
        UPDATE alike SET count = count + 1, runs = runs + NEW.runs, whole = whole + NEW.whole, log_flop = log_flop + NEW.log_flop, log_time = log_time + NEW.log_time, spread = spread + NEW.spread, disturbed = disturbed + NEW.disturbed, powered = powered + NEW.powered, log_power = log_power + NEW.log_power, counted = counted + NEW.counted, log_steps = log_steps + NEW.log_steps, known = known + NEW.known, log_operations = log_operations + NEW.log_operations, log_traffic = log_traffic + NEW.log_traffic, newest = max(newest, NEW.newest)
        WHERE key IN (NEW.fine, NEW.coarse);
        DELETE FROM alike WHERE key IN (NEW.fine, NEW.coarse) AND count <= 0;
    END;
CREATE TRIGGER observation_delete AFTER DELETE ON observation BEGIN
        UPDATE alike SET count = count - 1, runs = runs - OLD.runs, whole = whole - OLD.whole, log_flop = log_flop - OLD.log_flop, log_time = log_time - OLD.log_time, spread = spread - OLD.spread, disturbed = disturbed - OLD.disturbed, powered = powered - OLD.powered, log_power = log_power - OLD.log_power, counted = counted - OLD.counted, log_steps = log_steps - OLD.log_steps, known = known - OLD.known, log_operations = log_operations - OLD.log_operations, log_traffic = log_traffic - OLD.log_traffic, newest = coalesce((SELECT max(newest) FROM observation WHERE fine = alike.key), newest)
        WHERE key IN (OLD.fine, OLD.coarse);
        DELETE FROM alike WHERE key IN (OLD.fine, OLD.coarse) AND count <= 0;
    END;
COMMIT;
PRAGMA application_id = 1466004596;
PRAGMA user_version = 9;
