/* A library in the place of NVIDIA's, for tests of the binding, units, windows and errors. It proves
   nothing about real boards. The power is a function of time, and the counter its exact integral:
   FAKE_NVML_TRACE      one per board, comma between: constant:W  square:HIGH:LOW:HZ  sine:MEAN:SWING:HZ
   FAKE_NVML_COUNTER    right | stuck | back:S (falls to 0 at S) | wrap:J | coarse:S (told every S)
   FAKE_NVML_FAIL       FUNCTION=CODE,... ; FUNCTION@BOARD=CODE ; field186=CODE, field186.1=CODE (scope)
   FAKE_NVML_FAIL_AFTER, FAKE_NVML_LOST_AFTER   seconds after the start until the failures, the loss
   FAKE_NVML_LOST_WHEN  boards are lost once this file is there
   FAKE_NVML_COUNT _NAME (; between) _MIG _VIRTUAL _REASONS _ARCH _PIDS (PID:PERCENT,...)
   Compiled with -DOLD_DRIVER it lacks what old drivers lack. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

typedef unsigned int uint;
typedef unsigned long long u64;
typedef struct { uint field, scope; long long at, latency; uint type; int code; union { uint u; u64 ull; } value; } Field;
typedef struct { uint pid; u64 memory; uint gpu, compute; } Process;
typedef struct { uint pid; u64 at_us; uint sm, memory, encoder, decoder; } Share;

int twenty_watts_simulated_nvml = 1;
double fake_nvml_time_s = -1;     /* negative: the monotonic clock */
int fake_nvml_calls_after_end = 0;
int fake_nvml_calls = 0;
volatile int fake_nvml_hang = 0, fake_nvml_hangs = 0;   /* set the first, and a field hangs */
int fake_nvml_users = 0;
static int boards[64];
static double started_s = 0;

static double now_s(void) {
    struct timespec t;
    if (fake_nvml_time_s >= 0) return fake_nvml_time_s;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + 1e-9 * t.tv_nsec;
}
static const char *told(const char *name, const char *otherwise) {
    const char *value = getenv(name);
    return value ? value : otherwise;
}
static double number(const char *name, double otherwise) {
    const char *value = getenv(name);
    return value ? atof(value) : otherwise;
}
static const char *part(const char *list, char between, int at, char *into, int size) {
    int n = 0;
    while (at-- > 0 && strchr(list, between)) list = strchr(list, between) + 1;
    while (list[n] && list[n] != between && n < size - 1) { into[n] = list[n]; n++; }
    into[n] = 0;
    return into;
}
static int failure(const char *what, int board) {
    char with_board[96];
    const char *at = told("FAKE_NVML_FAIL", "");
    if (now_s() - started_s < number("FAKE_NVML_FAIL_AFTER", -1)) return 0;
    snprintf(with_board, sizeof with_board, "%s@%d", what, board);
    while (*at) {
        size_t n = strcspn(at, "=,");
        if (at[n] == '=' && ((strlen(what) == n && !strncmp(at, what, n)) || (strlen(with_board) == n && !strncmp(at, with_board, n))))
            return atoi(at + n + 1);
        at += strcspn(at, ",");
        at += *at == ',';
    }
    return 0;
}
static int check(const char *what, int *board) {
    int which = board ? (int)(board - boards) % 32 : -1, code = failure(what, which);
    fake_nvml_calls++;
    if (fake_nvml_users == 0) { fake_nvml_calls_after_end++; return 1; }
    if (code) return code;
    if (board && getenv("FAKE_NVML_LOST_AFTER") && now_s() - started_s > number("FAKE_NVML_LOST_AFTER", 0)) return 15;
    return board && !access(told("FAKE_NVML_LOST_WHEN", ""), F_OK) ? 15 : 0;
}
#define CHECK(board) do { int code_ = check(__func__, board); if (code_) return code_; } while (0)
#define SET(type, value) do { CHECK(board); *(type *)into = (value); return 0; } while (0)

static double trace(int *board, double at_s, int integral) {
    char mine[64];
    double a = 100, b = 0, hz = 1, turns, whole;
    part(told("FAKE_NVML_TRACE", "constant:300"), ',', (int)(board - boards), mine, sizeof mine);
    sscanf(strchr(mine, ':'), ":%lf:%lf:%lf", &a, &b, &hz);
    turns = at_s * hz; whole = floor(turns);
    if (!strncmp(mine, "square", 6))
        return integral ? (whole * (a + b) / 2 + fmin(turns - whole, 0.5) * a + fmax(turns - whole - 0.5, 0) * b) / hz : turns - whole < 0.5 ? a : b;
    if (!strncmp(mine, "sine", 4))
        return integral ? a * at_s + b * (1 - cos(2 * M_PI * turns)) / (2 * M_PI * hz) : a + b * sin(2 * M_PI * turns);
    return integral ? a * at_s : a;
}
static u64 counter_mj(int *board) {
    const char *how = told("FAKE_NVML_COUNTER", "right");
    double at_s = now_s(), x = strchr(how, ':') ? atof(strchr(how, ':') + 1) : 0;
    if (!strncmp(how, "stuck", 5)) return 777000;
    if (!strncmp(how, "coarse", 6)) at_s = floor(at_s / x) * x;
    if (!strncmp(how, "back", 4) && at_s >= x) return (u64)(1e3 * (trace(board, at_s, 1) - trace(board, x, 1)));
    if (!strncmp(how, "wrap", 4)) return (u64)(1e3 * fmod(trace(board, at_s, 1), x));
    return (u64)(1e3 * trace(board, at_s, 1));
}

int nvmlInitWithFlags(uint flags) {
    int code = failure(__func__, -1);
    (void)flags;
    if (!code && fake_nvml_users++ == 0) started_s = now_s();
    return code;
}
int nvmlShutdown(void) { CHECK(NULL); fake_nvml_users--; return 0; }
const char *nvmlErrorString(int code) { (void)code; return "an error of the stub"; }
int nvmlSystemGetDriverVersion(char *into, uint size) { CHECK(NULL); snprintf(into, size, "550.54.15"); return 0; }
int nvmlDeviceGetCount_v2(uint *into) { CHECK(NULL); *into = (uint)number("FAKE_NVML_COUNT", 1); return 0; }
int nvmlDeviceGetHandleByIndex_v2(uint index, int **into) {
    if (index >= (uint)number("FAKE_NVML_COUNT", 1)) return 2;
    CHECK(&boards[index]);
    *into = &boards[index];
    return 0;
}
int nvmlDeviceGetName(int *board, char *into, uint size) {
    CHECK(board);
    part(told("FAKE_NVML_NAME", "NVIDIA H100 80GB HBM3"), ';', (int)(board - boards), into, (int)size);
    return 0;
}
int nvmlDeviceGetUUID(int *board, char *into, uint size) {
    int at = (int)(board - boards);
    CHECK(board);
    snprintf(into, size, at < 32 ? "GPU-%da5a7f29-c714-06ba-23ef-cedbc44248d%d" : "MIG-%db5a7f29-0000-06ba-23ef-cedbc44248d%d", at % 32, at % 32);
    return 0;
}
int nvmlDeviceGetMemoryInfo(int *board, u64 *into) { CHECK(board); into[0] = 80ull << 30; into[1] = into[2] = 0; return 0; }
int nvmlDeviceGetPowerUsage(int *board, void *into) { SET(uint, (uint)(1e3 * trace(board, now_s(), 0))); }
int nvmlDeviceGetTotalEnergyConsumption(int *board, void *into) { SET(u64, counter_mj(board)); }
int nvmlDeviceGetEnforcedPowerLimit(int *board, void *into) { SET(uint, 500000); }
int nvmlDeviceGetPowerManagementLimit(int *board, void *into) { SET(uint, 600000); }
int nvmlDeviceGetPowerManagementDefaultLimit(int *board, void *into) { SET(uint, 700000); }
int nvmlDeviceGetTemperature(int *board, uint sensor, void *into) { (void)sensor; SET(uint, 61); }
int nvmlDeviceGetClockInfo(int *board, uint kind, void *into) { SET(uint, kind == 1 ? 1755 : 1); }
int nvmlDeviceGetUtilizationRates(int *board, uint *into) { CHECK(board); into[0] = 80; into[1] = 40; return 0; }
int nvmlDeviceGetCurrentClocksThrottleReasons(int *board, void *into) { SET(u64, strtoull(told("FAKE_NVML_REASONS", "0"), NULL, 0)); }
int nvmlDeviceGetVirtualizationMode(int *board, void *into) { SET(u64, (u64)number("FAKE_NVML_VIRTUAL", 0)); }
int nvmlDeviceGetArchitecture(int *board, void *into) { SET(uint, (uint)number("FAKE_NVML_ARCH", 9)); }
int nvmlDeviceGetCudaComputeCapability(int *board, int *major, int *minor) {
    CHECK(board);
    *major = (int)number("FAKE_NVML_CC", 9); *minor = 0;
    return 0;
}
#ifdef OLD_DRIVER
#define PROCESSES nvmlDeviceGetComputeRunningProcesses_v2
#else
#define PROCESSES nvmlDeviceGetComputeRunningProcesses_v3
#endif
static int listed(int at, uint *pid, uint *percent) {
    char mine[32];
    const char *all = told("FAKE_NVML_PIDS", "");
    int count = 0;
    for (const char *c = all; *c; c++) count += *c == ',';
    if (!*all || at > count) return 0;
    return sscanf(part(all, ',', at, mine, sizeof mine), "%u:%u", pid, percent) >= 1;
}
int PROCESSES(int *board, uint *count, Process *into) {
    uint pid, percent, found = 0;
    CHECK(board);
    while (listed((int)found, &pid, &percent)) {
        if (into && found < *count) into[found] = (Process){pid, 1 << 30, 0xffffffff, 0xffffffff};
        found++;
    }
    uint room = *count;
    *count = found;
    return found == 0 ? 0 : into && room >= found ? 0 : 7;
}
#ifndef OLD_DRIVER
int nvmlDeviceGetTemperatureV(int *board, int *into) { CHECK(board); if (into[0] != 0x100000C) return 25; into[2] = 62; return 0; }
int nvmlDeviceGetCurrentClocksEventReasons(int *board, void *into) { SET(u64, strtoull(told("FAKE_NVML_REASONS", "0"), NULL, 0)); }
int nvmlDeviceGetMigMode(int *board, uint *now, uint *next) { CHECK(board); *now = *next = getenv("FAKE_NVML_MIG") != NULL; return 0; }
int nvmlDeviceGetMaxMigDeviceCount(int *board, void *into) { SET(uint, getenv("FAKE_NVML_MIG") ? 7 : 0); }
int nvmlDeviceGetMigDeviceHandleByIndex(int *board, uint at, int **into) { CHECK(board); if (at != 0) return 6; *into = board + 32; return 0; }
int nvmlDeviceGetFieldValues(int *board, int count, Field *into) {
    CHECK(board);
    while (fake_nvml_hang) fake_nvml_hangs = 1;
    for (int at = 0; at < count; at++) {
        char name[32], scoped[40];
        snprintf(name, sizeof name, "field%u", into[at].field);
        snprintf(scoped, sizeof scoped, "%s.%u", name, into[at].scope);
        int which = (int)(board - boards), scope = failure(scoped, which);
        into[at].type = 1;
        into[at].code = scope ? scope : into[at].scope == 0 ? failure(name, which) : 0;
        if (into[at].scope == 1 && !getenv("FAKE_NVML_MODULE")) into[at].code = 3;
        switch (into[at].field) {
        case 186: into[at].value.ull = (u64)(1e3 * trace(board, now_s(), 0)) | 7ull << 32; break;
        case 189: case 190: into[at].value.ull = 900000 | 7ull << 32; break;
        default: into[at].code = 3;
        }
        if (getenv("FAKE_NVML_TYPE")) into[at].type = (uint)number("FAKE_NVML_TYPE", 1);
        if (into[at].type == 3) into[at].value.ull &= 0xffffffff;
    }
    return 0;
}
int nvmlDeviceGetProcessUtilization(int *board, Share *into, uint *count, u64 since_us) {
    uint pid, percent = 0, found = 0;
    CHECK(board);
    u64 at_us = (u64)(1e6 * now_s());
    if (at_us <= since_us) return 6;
    for (int at = 0; listed(at, &pid, &percent); at++)
        for (int late = 0; late < 2; late++, found++)    /* all were busy half a minute ago */
            if (into && found < *count) into[found] = (Share){pid, late ? at_us : at_us - 30000000, late ? percent : 100, 0, 0, 0};
    *count = found;
    return into || found == 0 ? 0 : 7;
}
#endif
