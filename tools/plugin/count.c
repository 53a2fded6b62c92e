/*
 * Counts what a guest executes, from outside: a TCG plugin for QEMU.
 *
 * A region is what runs between two addresses, on whatever core: from the instruction at `begin` up to, and
 * without, the one at `end`. Regions do not overlap. Each visit to one is reported by itself, so that a
 * guest which runs an operation N times and then 2N times in the same region yields a slope. Counted per
 * core are
 *
 *   instructions  all of them
 *   locked        with a lock prefix, xchg with memory, and full fences
 *   serialising   MSRs, control and debug registers, descriptor tables, ports, iret, cpuid, invlpg
 *   state         fxsave, xsave and their like, both directions
 *   rep           iterations of string instructions with a rep prefix, which count as one above
 *
 * and, per visit, how many cache lines more than one core touched and how many locked instructions fell on
 * those. What a core executes from the entry of a function marked `wait` to its return, interrupt handlers
 * included, is not counted: how long a wait lasts says nothing about the code. The return is found by
 * counting calls and returns, which holds for a function that was jumped to as a tail call, too. A kernel
 * that does not return what it calls (some stuff the return predictor so) needs the other way: from the
 * instruction at `pause` to the one at `resume` the core that executes them is not counted either.
 *
 * Arguments: out=FILE, cores=NUMBER, begin=NAME:ADDRESS, end=NAME:ADDRESS, wait=ADDRESS, pause=ADDRESS, resume=ADDRESS (any
 * number of all but the first two; a name before an address is for people).
 * Output, a line each:
 *   core NAME VISIT CORE INSTRUCTIONS LOCKED SERIALISING STATE REP
 *   lines NAME VISIT SHARED LOCKED
 *   error SENTENCE
 *
 * Needs `-accel tcg,thread=single` or `-icount`: nothing here is locked.
 *
 * Which core executes something, QEMU 10.0 does not say: under those options it compiles the index of the core
 * that translated a block into the block, which all cores then share. So each block begins by asking for the
 * register that is different on each core of a guest of 64 bits: the kernel's GS base, in its place or, while
 * user code runs, in the other. Its number is learnt by vote of the blocks that it is the first to run; a core that
 * was never the first has a number beyond all others.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The part of QEMU's plugin interface that is used. Version 3 is that of QEMU 9; QEMU 10 takes it as well. */
typedef uint64_t plugin_id;
typedef uint32_t mem_info;
struct qemu_plugin_insn;
struct qemu_plugin_hwaddr;
struct qemu_plugin_tb;
struct qemu_plugin_register;
enum { NO_REGISTERS = 0, READS_REGISTERS = 1, READS_AND_WRITES = 3 };
extern void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, void (*)(plugin_id, struct qemu_plugin_tb *));
extern void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *, void (*)(unsigned, void *), int flags,
                                                 void *);
extern void qemu_plugin_register_vcpu_init_cb(plugin_id, void (*)(plugin_id, unsigned));
extern void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *, void (*)(unsigned, void *),
                                                   int flags, void *);
extern void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *,
                                             void (*)(unsigned, mem_info, uint64_t, void *), int flags,
                                             int accesses, void *);
extern void qemu_plugin_register_atexit_cb(plugin_id, void (*)(plugin_id, void *), void *);
extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
extern struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
extern size_t qemu_plugin_insn_data(const struct qemu_plugin_insn *, void *, size_t);
extern uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *);
extern struct qemu_plugin_hwaddr *qemu_plugin_get_hwaddr(mem_info, uint64_t);
extern uint64_t qemu_plugin_hwaddr_phys_addr(const struct qemu_plugin_hwaddr *);
/* Of GLib, which QEMU has loaded. */
struct g_array { char *data; unsigned length; };
struct g_byte_array { uint8_t *data; unsigned length; };
struct register_descriptor { struct qemu_plugin_register *handle; const char *name, *feature; };
extern struct g_array *qemu_plugin_get_registers(void);
extern int qemu_plugin_read_register(struct qemu_plugin_register *, struct g_byte_array *);
extern struct g_byte_array *g_byte_array_new(void);
extern struct g_byte_array *g_byte_array_set_size(struct g_byte_array *, unsigned);
#define EXPORT __attribute__((visibility("default")))
EXPORT int qemu_plugin_version = 3;

enum { MAX_CORES = 1024, MAX_MARKS = 256, LINE_SHIFT = 6, TABLE_BITS = 20 };

/* What an instruction is, decided once when it is translated and carried as the callbacks' argument. */
enum {
    LOCKED = 1, SERIALISING = 2, STATE = 4, CALL = 8, RETURN = 16,
    REP_ONE = 32,  /* a rep that accesses memory once per iteration */
    REP_TWO = 64,  /* twice */
    MARK_SHIFT = 8 /* index into `marks`, plus one */
};

enum mark_kind { BEGIN, END, WAIT, PAUSE, RESUME };
struct mark { enum mark_kind kind; uint64_t address; const char *name; };
static struct mark marks[MAX_MARKS];
static unsigned mark_count;

/* What is known by a GS base. A core may have had several, one after the other. */
struct core {
    uint64_t gs_base;
    unsigned index, votes; /* QEMU's number of the core, if anybody voted for it */
    uint64_t instructions, locked, serialising, state, half_reps;
    unsigned wait_depth; /* calls below the caller of a wait function; 0: not waiting */
    bool paused;         /* between `pause` and `resume` */
    bool lock_pending;   /* the locked instruction under way has not accessed memory yet */
    bool in_rep;         /* the last instruction had a rep prefix: the same one again is its next iteration */
};
static struct core cores[MAX_CORES]; /* the first is whatever cannot be told: a core before it has a kernel */
static unsigned core_count = 1;
static unsigned current; /* the one that executes, where that matters */
static unsigned waiting; /* how many are in a wait function */

struct line { uint64_t address_plus_one; uint32_t visit, locked; uint16_t core; bool shared; };
static struct line lines[1 << TABLE_BITS];
static unsigned line_count;

static const struct mark *region; /* the BEGIN of the one under way */
static uint32_t visit;            /* of all regions; a line of another visit is stale */
static FILE *out;
static bool several_cores;

static struct qemu_plugin_register *gs_base, *other_gs_base;

static uint64_t read_register(struct qemu_plugin_register *handle)
{
    static struct g_byte_array *bytes;
    bytes = g_byte_array_set_size(bytes ? bytes : g_byte_array_new(), 0);
    uint64_t value = 0;
    if (qemu_plugin_read_register(handle, bytes) == sizeof value) {
        memcpy(&value, bytes->data, sizeof value);
    }
    return value;
}

/* What is known of a block: whether it has not run yet, and whether an instruction in it is marked. */
struct block { bool is_fresh, is_marked; };

/* A block begins. `translator` is who translated it. */
static void on_block(unsigned translator, void *what)
{
    struct block *block = what;
    bool is_fresh = block->is_fresh;
    if (!region && !waiting && !is_fresh && !block->is_marked) {
        return; /* nothing depends on who it is, and asking takes long */
    }
    block->is_fresh = false;
    uint64_t base = read_register(gs_base);
    if (!(base >> 63)) {
        base = read_register(other_gs_base);
    }
    if (!(base >> 63)) {
        current = 0;
        return;
    }
    if (base != cores[current].gs_base) {
        for (current = 1; current < core_count && cores[current].gs_base != base;) {
            current++;
        }
        if (current == MAX_CORES) {
            current = 0;
            fprintf(out, "error more cores than can be told apart\n");
            return;
        }
        core_count += current == core_count;
        cores[current].gs_base = base;
    }
    /* A fresh block is mostly, not always, run by who translated it. */
    struct core *core = &cores[current];
    if (is_fresh && core->votes == 0) {
        core->index = translator;
    }
    if (is_fresh) {
        core->votes += core->index == translator ? 1 : -1;
    }
}

static void on_core(plugin_id id, unsigned index)
{
    (void)id, (void)index;
    struct g_array *registers = qemu_plugin_get_registers();
    const struct register_descriptor *each = (const struct register_descriptor *)registers->data;
    for (unsigned i = 0; i < registers->length; i++) {
        if (strcmp(each[i].name, "gs_base") == 0) {
            gs_base = each[i].handle;
        } else if (strcmp(each[i].name, "k_gs_base") == 0) {
            other_gs_base = each[i].handle;
        }
    }
}

static void begin_visit(const struct mark *mark)
{
    if (region) {
        fprintf(out, "error region %s begins within %s\n", mark->name, region->name);
        return;
    }
    region = mark;
    visit++;
    line_count = 0;
    for (unsigned i = 0; i < MAX_CORES; i++) {
        struct core *core = &cores[i];
        core->instructions = core->locked = core->serialising = core->state = core->half_reps = 0;
        core->lock_pending = core->in_rep = false;
    }
}

static void end_visit(const struct mark *mark)
{
    uint64_t shared = 0, locked = 0;
    if (!region || strcmp(region->name, mark->name) != 0) {
        return;
    }
    for (unsigned i = 0; i < MAX_CORES; i++) {
        const struct core *core = &cores[i];
        if (core->instructions) {
            unsigned index = core->votes || !several_cores ? core->index : MAX_CORES + i;
            fprintf(out, "core %s %u %u %lu %lu %lu %lu %lu\n", region->name, visit, index, core->instructions,
                    core->locked, core->serialising, core->state, core->half_reps / 2);
        }
    }
    for (size_t i = 0; i < (size_t)1 << TABLE_BITS; i++) {
        if (lines[i].visit == visit && lines[i].shared) {
            shared++;
            locked += lines[i].locked;
        }
    }
    fprintf(out, "lines %s %u %lu %lu\n", region->name, visit, shared, locked);
    fflush(out);
    region = NULL;
}

/* The entry of a line in this visit, made if it is new; NULL if the table is full. */
static struct line *line_at(uint64_t address, unsigned core)
{
    uint64_t line = address >> LINE_SHIFT, mask = ((uint64_t)1 << TABLE_BITS) - 1;
    for (uint64_t i = (line * 0x9e3779b97f4a7c15) >> (64 - TABLE_BITS);; i = (i + 1) & mask) {
        struct line *entry = &lines[i];
        if (entry->visit != visit) {
            if (++line_count > mask / 2) {
                return NULL;
            }
            *entry = (struct line){.address_plus_one = line + 1, .visit = visit, .core = core};
        }
        if (entry->address_plus_one == line + 1) {
            return entry;
        }
    }
}

static void on_instruction(unsigned translator, void *what)
{
    (void)translator;
    uintptr_t flags = (uintptr_t)what;
    struct core *core = &cores[current];
    if (flags >> MARK_SHIFT) {
        const struct mark *mark = &marks[(flags >> MARK_SHIFT) - 1];
        switch (mark->kind) {
        case BEGIN: begin_visit(mark); break;
        case END: end_visit(mark); break;
        case WAIT:
            if (!core->wait_depth && !core->paused) {
                core->wait_depth = 1;
                waiting++;
            }
            break;
        case PAUSE: core->paused = true; break;
        case RESUME: core->paused = false; break;
        }
    }
    if (core->paused) {
        core->lock_pending = false;
        return;
    }
    if (core->wait_depth) {
        core->lock_pending = false;
        core->wait_depth += (flags & CALL) != 0;
        core->wait_depth -= (flags & RETURN) != 0;
        waiting -= core->wait_depth == 0;
        return;
    }
    bool rep = (flags & (REP_ONE | REP_TWO)) != 0, iteration = rep && core->in_rep;
    core->in_rep = rep;
    if (region && !iteration) {
        core->instructions++;
        core->locked += (flags & LOCKED) != 0;
        core->serialising += (flags & SERIALISING) != 0;
        core->state += (flags & STATE) != 0;
        core->lock_pending = (flags & LOCKED) != 0;
    }
}

static void on_access(unsigned translator, mem_info info, uint64_t address, void *what)
{
    (void)translator;
    uintptr_t flags = (uintptr_t)what;
    struct core *core = &cores[current];
    if (!region) {
        return;
    }
    /* By physical address: the direct map and the image are two views of the same lines. */
    const struct qemu_plugin_hwaddr *hardware = qemu_plugin_get_hwaddr(info, address);
    struct line *line = line_at(hardware ? qemu_plugin_hwaddr_phys_addr(hardware) : address, current);
    if (!line) {
        fprintf(out, "error region %s touches too many cache lines\n", region->name);
        region = NULL;
        return;
    }
    line->shared |= line->core != current;
    if (!core->wait_depth && !core->paused) {
        line->locked += core->lock_pending;
        core->lock_pending = false;
        core->half_reps += flags & REP_ONE ? 2 : (flags & REP_TWO) != 0;
    }
}

/* What the instruction in `code` is. Knows as much of x86-64's encoding as it needs. */
static uintptr_t classify(const uint8_t *code, size_t length)
{
    bool lock = false, rep = false;
    size_t i = 0;
    for (; i < length; i++) {
        uint8_t byte = code[i];
        lock |= byte == 0xf0;
        rep |= byte == 0xf2 || byte == 0xf3;
        if (!(memchr("\xf0\xf2\xf3\x66\x67\x2e\x36\x3e\x26\x64\x65", byte, 11) || (byte & 0xf0) == 0x40)) {
            break;
        }
    }
    /* Zero bytes stand in for what a short instruction lacks; no case below depends on them. */
    uint8_t bytes[3] = {0};
    memcpy(bytes, code + i, length - i < 3 ? length - i : 3);
    uint8_t opcode = bytes[0], second = bytes[1];
    bool two_byte = opcode == 0x0f;
    uint8_t modrm = two_byte ? bytes[2] : second;
    bool memory = modrm >> 6 != 3;
    unsigned extension = modrm >> 3 & 7;

    if (lock) {
        return LOCKED;
    }
    if (!two_byte) {
        switch (opcode) {
        case 0x86: case 0x87: return memory ? LOCKED : 0;
        case 0xe8: return CALL;
        case 0xff: return extension == 2 || extension == 3 ? CALL : 0;
        case 0xc2: case 0xc3: return RETURN;
        case 0xcf: return SERIALISING;
        case 0xa4: case 0xa5: case 0xa6: case 0xa7: return rep ? REP_TWO : 0;
        case 0xaa: case 0xab: case 0xac: case 0xad: case 0xae: case 0xaf: return rep ? REP_ONE : 0;
        case 0x6c: case 0x6d: case 0x6e: case 0x6f: return SERIALISING | (rep ? REP_ONE : 0);
        case 0xe4: case 0xe5: case 0xe6: case 0xe7:
        case 0xec: case 0xed: case 0xee: case 0xef: return SERIALISING;
        default: return 0;
        }
    }
    switch (second) {
    case 0x01: return memory && (extension == 2 || extension == 3 || extension == 7) ? SERIALISING : 0;
    case 0x09: case 0x30: case 0x32: case 0xa2: return SERIALISING;
    case 0x20: case 0x21: case 0x22: case 0x23: return SERIALISING;
    case 0xae:
        /* Memory: fxsave, fxrstor, -, -, xsave, xrstor, xsaveopt, clflush. Registers: the fences. */
        if (memory) {
            return extension < 2 || (extension > 3 && extension < 7) ? STATE : 0;
        }
        return extension == 6 && !rep ? LOCKED : 0;
    case 0xc7: return memory && extension >= 3 && extension <= 5 ? STATE : 0;
    default: return 0;
    }
}

static void on_translation(plugin_id id, struct qemu_plugin_tb *block)
{
    (void)id;
    struct block *known = several_cores ? malloc(sizeof *known) : NULL;
    if (known) {
        *known = (struct block){.is_fresh = true};
        qemu_plugin_register_vcpu_tb_exec_cb(block, on_block, READS_REGISTERS, known);
    } else if (several_cores) {
        abort();
    }
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(block); i++) {
        struct qemu_plugin_insn *instruction = qemu_plugin_tb_get_insn(block, i);
        uint8_t code[16];
        uintptr_t flags = classify(code, qemu_plugin_insn_data(instruction, code, sizeof code));
        uint64_t address = qemu_plugin_insn_vaddr(instruction);
        for (unsigned m = 0; m < mark_count; m++) {
            if (marks[m].address == address) {
                flags |= (uintptr_t)(m + 1) << MARK_SHIFT;
                if (known) {
                    known->is_marked = true;
                }
            }
        }
        qemu_plugin_register_vcpu_insn_exec_cb(instruction, on_instruction, NO_REGISTERS, (void *)flags);
        qemu_plugin_register_vcpu_mem_cb(instruction, on_access, NO_REGISTERS, READS_AND_WRITES,
                                         (void *)flags);
    }
}

static void at_exit(plugin_id id, void *unused)
{
    (void)id, (void)unused;
    if (region) {
        fprintf(out, "error region %s does not end\n", region->name);
    }
    fclose(out);
}

/* Takes `begin=NAME:ADDRESS` and its like; false if it is none of them. */
static bool take_mark(char *argument)
{
    static const char *const kinds[] = {"begin=", "end=", "wait=", "pause=", "resume="};
    for (enum mark_kind kind = BEGIN; kind <= RESUME; kind++) {
        size_t length = strlen(kinds[kind]);
        if (strncmp(argument, kinds[kind], length) == 0 && mark_count < MAX_MARKS) {
            char *name = argument + length, *colon = strrchr(name, ':');
            const char *address = colon ? colon + 1 : name;
            if (colon) {
                *colon = 0;
            }
            marks[mark_count++] = (struct mark){kind, strtoull(address, NULL, 16), strdup(name)};
            return true;
        }
    }
    return false;
}

EXPORT int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv)
{
    (void)info;
    for (int i = 0; i < argc; i++) {
        if (strncmp(argv[i], "out=", 4) == 0) {
            out = fopen(argv[i] + 4, "w");
        } else if (strncmp(argv[i], "cores=", 6) == 0) {
            several_cores = atoi(argv[i] + 6) > 1;
        } else if (!take_mark(argv[i])) {
            fprintf(stderr, "count: cannot take the argument %s\n", argv[i]);
            return 1;
        }
    }
    if (!out) {
        fprintf(stderr, "count: out= names no file that can be written\n");
        return 1;
    }
    if (several_cores) {
        qemu_plugin_register_vcpu_init_cb(id, on_core);
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
    qemu_plugin_register_atexit_cb(id, at_exit, NULL);
    return 0;
}
