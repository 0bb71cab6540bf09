// In what the kernels that were recorded differ from each other.
#pragma once

namespace rdmalab::fakekernel::nldev {

struct KernelProfile {
    unsigned highestAttribute = 0, operations = 0; // that it knows
    bool resourceMaxima = false;                   // RES_SUMMARY tells limits and counts completion counters
    bool renameEvents = false;                     // of devices and of their netdevs
    bool namesPerNetns = false;                    // else a device name is taken for the whole machine
    bool netnsTexts = false; // a refused move carries a text, a move to the own namespace succeeds, with a name it also renames
    bool softRoceMoves = false; // rxe devices can change their namespace

    static KernelProfile linux6_12() { return {.highestAttribute = 103, .operations = 29}; }
    static KernelProfile linux7_3() { return {118, 31, true, true, true, true, true}; }
};

} // namespace rdmalab::fakekernel::nldev
