// Which system calls of a process tree go to the supervisor: a classic BPF program for seccomp(2).
#pragma once

#include <linux/filter.h>

#include <cstdint>
#include <map>
#include <vector>

namespace rdmalab::fakekernel {

// A test of one argument register. The filter cannot look behind a pointer.
struct Condition {
    enum class Test { maskedEqual, between };

    unsigned argument = 0; // 0-5
    Test test = Test::maskedEqual;
    bool negated = false;
    // An int argument: the upper half of its register is not the kernel's business and may hold anything.
    bool lowHalfOnly = false;
    std::uint64_t mask = ~0ull;
    std::uint64_t low = 0, high = 0; // maskedEqual: (argument & mask) == low; between: low <= argument <= high, unsigned
};

// For arguments that the kernel takes as int or unsigned: descriptors, flags, families.
Condition intEquals(unsigned argument, std::uint32_t value);
Condition intMasked(unsigned argument, std::uint32_t mask, std::uint32_t value);
Condition intBetween(unsigned argument, std::uint32_t low, std::uint32_t high);
// For pointers and longs.
Condition wordEquals(unsigned argument, std::uint64_t value);
Condition wordMasked(unsigned argument, std::uint64_t mask, std::uint64_t value);
Condition wordBetween(unsigned argument, std::uint64_t low, std::uint64_t high);
Condition operator!(Condition condition);

// Everything that no rule names is allowed, as are all calls of a foreign architecture (i386 on x86-64, the x32 ABI): those
// go to the kernel unseen. A system call without rules costs a few comparisons or, on kernels with the seccomp action cache
// (5.11), a bit test.
class Filter {
public:
    // Traps calls of `number` for which all conditions hold; several rules for one number: any of them is enough.
    // Throws std::invalid_argument for an argument index over 5 or a condition that compares bits outside its mask or half.
    Filter& trap(int number, std::vector<Condition> conditions = {});

    bool empty() const noexcept { return rules_.empty(); }
    bool traps(int number) const { return rules_.count(number) != 0; }
    // Throws std::length_error over the kernel's limit of 4096 instructions.
    std::vector<sock_filter> program() const;

private:
    using Rule = std::vector<Condition>;
    std::map<int, std::vector<Rule>> rules_;
};

} // namespace rdmalab::fakekernel
