/* A stand-in for NVIDIA's management library: two cards that behave as the variable STANDIN says.
 * The second one is at the bus id of the scripted engine's GPU. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { OK = 0, NOT_SUPPORTED = 3, NO_PERMISSION = 4, INSUFFICIENT_SIZE = 7, NO_DRIVER = 9, GPU_IS_LOST = 15 };

typedef struct { char legacy[16]; unsigned domain, bus, device, pci, subsystem; char id[32]; } Pci;
typedef struct { unsigned version; unsigned long long total, reserved, free, used; } Memory;
typedef struct { unsigned pid; unsigned long long used; unsigned gpu, compute; } Process;
typedef struct { unsigned gpu, memory; } Utilization;
typedef struct { unsigned long long reference, violation; } Violation;

static int is(const char *what) {
    const char *mode = getenv("STANDIN");
    return mode && strstr(mode, what) != NULL;
}

static unsigned long long millis(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (unsigned long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* The children of this process: lbench's worker. */
static int children(unsigned *pids, int most) {
    int found = 0;
    DIR *proc = opendir("/proc");
    struct dirent *entry;
    while (proc && (entry = readdir(proc)) && found < most) {
        char path[300], text[512];
        int pid = atoi(entry->d_name), parent = 0;
        if (pid <= 0) continue;
        snprintf(path, sizeof path, "/proc/%d/stat", pid);
        FILE *file = fopen(path, "r");
        if (!file) continue;
        size_t n = fread(text, 1, sizeof text - 1, file);
        fclose(file);
        text[n] = 0;
        char *rest = strrchr(text, ')');
        if (rest && sscanf(rest, ") %*c %d", &parent) == 1 && parent == getpid()) pids[found++] = pid;
    }
    if (proc) closedir(proc);
    return found;
}

int nvmlInit_v2(void) { return is("permission") ? NO_PERMISSION : is("no driver") ? NO_DRIVER : OK; }
int nvmlShutdown(void) { return OK; }
const char *nvmlErrorString(int code) { return code == NO_PERMISSION ? "Insufficient Permissions" : "?"; }
int nvmlDeviceGetCount_v2(unsigned *count) { *count = 2; return OK; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device) {
    *device = (void *)(long)(index + 1);
    return OK;
}
int nvmlDeviceGetPciInfo_v3(void *device, Pci *pci) {
    memset(pci, 0, sizeof *pci);
    strcpy(pci->id, device == (void *)2 ? "00000000:65:00.0" : "00000000:17:00.0");
    strcpy(pci->legacy, pci->id + 4);
    return OK;
}
int nvmlSystemGetDriverVersion(char *version, unsigned length) {
    snprintf(version, length, "580.65.06");
    return OK;
}
int nvmlSystemGetCudaDriverVersion_v2(int *version) { *version = 13000; return OK; }
int nvmlDeviceGetName(void *device, char *name, unsigned length) {
    snprintf(name, length, device == (void *)2 ? "NVIDIA H200" : "NVIDIA L4");
    return OK;
}
int nvmlDeviceGetUUID(void *device, char *uuid, unsigned length) {
    snprintf(uuid, length, "GPU-%ld", (long)device);
    return OK;
}
int nvmlDeviceGetMemoryInfo_v2(void *device, Memory *memory) {
    unsigned pids[8];
    if (is("unified")) return NOT_SUPPORTED;
    if (is("lost") && device == (void *)2) return GPU_IS_LOST;
    memory->total = 8ULL << 30;
    memory->reserved = 600ULL << 20;
    /* The other card is full, so that taking it for this one shows. */
    memory->used = device != (void *)2 ? 7ULL << 30 : (1ULL << 30) + (children(pids, 8) ? 2000ULL << 20 : 0);
    memory->free = memory->total - memory->reserved - memory->used;
    return OK;
}
int nvmlDeviceGetComputeRunningProcesses_v3(void *device, unsigned *count, Process *processes) {
    unsigned pids[8];
    int n = 0, own = children(pids, 8);
    Process found[17] = {{4194300, 1ULL << 30, ~0u, ~0u}};
    if (is("unified")) return NOT_SUPPORTED;
    n = 1;
    if (!is("container") && device == (void *)2)
        for (int i = 0; i < own; i++)
            for (int instance = 0; instance < (is("mig") ? 2 : 1); instance++) {
                found[n].pid = pids[i];
                found[n].used = is("wsl") ? ~0ULL : 1500ULL << 20;
                found[n].gpu = found[n].compute = is("mig") ? instance : ~0u;
                n++;
            }
    if (!processes || *count < (unsigned)n) { *count = n; return INSUFFICIENT_SIZE; }
    memcpy(processes, found, n * sizeof *found);
    *count = n;
    return OK;
}
int nvmlDeviceGetPowerUsage(void *device, unsigned *milliwatts) { *milliwatts = 300000; return OK; }
int nvmlDeviceGetTotalEnergyConsumption(void *device, unsigned long long *millijoules) {
    if (is("unified")) return NOT_SUPPORTED;
    /* 300 W, a step every 100 ms. */
    *millijoules = millis() / 100 * 30000;
    return OK;
}
int nvmlDeviceGetClockInfo(void *device, int type, unsigned *mhz) {
    static unsigned long long start;
    if (!start) start = millis();
    // Halved every second and a half, from so high that it goes on falling however long the worker takes to start.
    unsigned long long since = millis() - start;
    unsigned falling = (unsigned)((2000000000ull >> (since / 1500)) * (3000 - since % 1500) / 3000);
    *mhz = type == 2 ? 3200 : is("falling") ? falling : 1980;
    return OK;
}
int nvmlDeviceGetTemperature(void *device, int sensor, unsigned *celsius) { *celsius = 61; return OK; }
int nvmlDeviceGetUtilizationRates(void *device, Utilization *rates) {
    rates->gpu = 90;
    rates->memory = 50;
    return OK;
}
int nvmlDeviceGetCurrentClocksThrottleReasons(void *device, unsigned long long *reasons) {
    *reasons = is("hot") ? 0x40 : is("capped") ? 0x4 : 0;
    return OK;
}
int nvmlDeviceGetViolationStatus(void *device, int policy, Violation *time) {
    time->reference = millis() * 1000;
    time->violation = is("hot") ? millis() * 1000 : 0;
    return OK;
}
