#include "fakekernel/filter.h"

#include <linux/audit.h>
#include <linux/seccomp.h>

#include <cstddef>
#include <stdexcept>

namespace rdmalab::fakekernel {

namespace {

#if defined(__x86_64__)
constexpr std::uint32_t nativeArch = AUDIT_ARCH_X86_64;
constexpr std::uint32_t x32Bit = 0x40000000;
#elif defined(__aarch64__)
constexpr std::uint32_t nativeArch = AUDIT_ARCH_AARCH64;
#else
#error "the filter knows x86-64 and aarch64"
#endif
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "argument halves are laid out little-endian");

sock_filter statement(unsigned code, std::uint32_t k) {
    return {static_cast<__u16>(code), 0, 0, k};
}

class RuleCode {
public:
    void add(const Condition& condition) {
        if (condition.test == Condition::Test::between)
            between(condition);
        else
            maskedEqual(condition);
    }

    // The finished code: falls through to a trap; a failing condition jumps behind it.
    std::vector<sock_filter> finish() {
        code_.push_back(statement(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF));
        for (const auto& [index, onTrue] : failing_) {
            const auto distance = code_.size() - index - 1;
            if (distance > 255)
                throw std::length_error("too many conditions in one rule of a seccomp filter");
            (onTrue ? code_[index].jt : code_[index].jf) = static_cast<__u8>(distance);
        }
        return std::move(code_);
    }

private:
    void load(unsigned argument, bool upperHalf) {
        const auto offset = offsetof(seccomp_data, args) + argument * sizeof(__u64) + (upperHalf ? sizeof(__u32) : 0);
        code_.push_back(statement(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset)));
    }

    // Jumps over `skip` instructions of this condition (0 = the next one) or to the rule's failure (-1).
    void jump(unsigned operation, std::uint32_t value, int onTrue, int onFalse) {
        sock_filter instruction = statement(BPF_JMP | operation | BPF_K, value);
        if (onTrue < 0)
            failing_.push_back({code_.size(), true});
        else
            instruction.jt = static_cast<__u8>(onTrue);
        if (onFalse < 0)
            failing_.push_back({code_.size(), false});
        else
            instruction.jf = static_cast<__u8>(onFalse);
        code_.push_back(instruction);
    }

    void half(const Condition& condition, bool upper, int onEqual, int onDifferent) {
        const unsigned shift = upper ? 32 : 0;
        load(condition.argument, upper);
        code_.push_back(statement(BPF_ALU | BPF_AND | BPF_K, static_cast<std::uint32_t>(condition.mask >> shift)));
        jump(BPF_JEQ, static_cast<std::uint32_t>(condition.low >> shift), onEqual, onDifferent);
    }

    void maskedEqual(const Condition& condition) {
        const bool upperMatters = !condition.lowHalfOnly && (condition.mask >> 32) != 0;
        if (!condition.negated) {
            if (upperMatters)
                half(condition, true, 0, -1);
            half(condition, false, 0, -1);
        } else {
            if (upperMatters)
                half(condition, true, 0, 3); // different already: over the other half
            half(condition, false, -1, 0);
        }
    }

    void between(const Condition& condition) {
        const auto lowBits = [](std::uint64_t value) { return static_cast<std::uint32_t>(value); };
        const auto highBits = [](std::uint64_t value) { return static_cast<std::uint32_t>(value >> 32); };
        // Two comparisons: argument >= low, and not argument > high. `inside` and `outside` of the whole are the two ends.
        if (condition.lowHalfOnly) {
            load(condition.argument, false);
            if (condition.negated) {
                jump(BPF_JGE, lowBits(condition.low), 0, 1);
                jump(BPF_JGT, lowBits(condition.high), 0, -1);
            } else {
                jump(BPF_JGE, lowBits(condition.low), 0, -1);
                jump(BPF_JGT, lowBits(condition.high), -1, 0);
            }
            return;
        }
        // 64 bits: upper halves decide unless equal. Layout of the ten instructions, i = distance to the end of the condition:
        //  0 ld hi   1 jgt low.hi -> 5   2 jeq low.hi -> 3 else out   3 ld lo   4 jge low.lo -> 5 else out
        //  5 ld hi   6 jgt high.hi -> out   7 jeq high.hi -> 8 else in   8 ld lo   9 jgt high.lo -> out else in
        // in/out: one of them is the condition's end (instruction 10), the other the rule's failure.
        const auto end = [](int instruction) { return 10 - instruction - 1; };
        const auto out = [&](int instruction) { return condition.negated ? end(instruction) : -1; };
        const auto in = [&](int instruction) { return condition.negated ? -1 : end(instruction); };
        load(condition.argument, true);
        jump(BPF_JGT, highBits(condition.low), 3, 0);
        jump(BPF_JEQ, highBits(condition.low), 0, out(2));
        load(condition.argument, false);
        jump(BPF_JGE, lowBits(condition.low), 0, out(4));
        load(condition.argument, true);
        jump(BPF_JGT, highBits(condition.high), out(6), 0);
        jump(BPF_JEQ, highBits(condition.high), 0, in(7));
        load(condition.argument, false);
        jump(BPF_JGT, lowBits(condition.high), out(9), in(9));
    }

    struct Failing {
        std::size_t index;
        bool onTrue;
    };
    std::vector<sock_filter> code_;
    std::vector<Failing> failing_;
};

void append(std::vector<sock_filter>& to, const std::vector<sock_filter>& more) {
    to.insert(to.end(), more.begin(), more.end());
}

Condition make(unsigned argument, Condition::Test test, bool lowHalfOnly, std::uint64_t mask, std::uint64_t low,
               std::uint64_t high) {
    Condition condition;
    condition.argument = argument;
    condition.test = test;
    condition.lowHalfOnly = lowHalfOnly;
    condition.mask = mask;
    condition.low = low;
    condition.high = high;
    return condition;
}

} // namespace

Condition intEquals(unsigned argument, std::uint32_t value) {
    return intMasked(argument, ~0u, value);
}
Condition intMasked(unsigned argument, std::uint32_t mask, std::uint32_t value) {
    return make(argument, Condition::Test::maskedEqual, true, mask, value, 0);
}
Condition intBetween(unsigned argument, std::uint32_t low, std::uint32_t high) {
    return make(argument, Condition::Test::between, true, ~0u, low, high);
}
Condition wordEquals(unsigned argument, std::uint64_t value) {
    return wordMasked(argument, ~0ull, value);
}
Condition wordMasked(unsigned argument, std::uint64_t mask, std::uint64_t value) {
    return make(argument, Condition::Test::maskedEqual, false, mask, value, 0);
}
Condition wordBetween(unsigned argument, std::uint64_t low, std::uint64_t high) {
    return make(argument, Condition::Test::between, false, ~0ull, low, high);
}
Condition operator!(Condition condition) {
    condition.negated = !condition.negated;
    return condition;
}

Filter& Filter::trap(int number, std::vector<Condition> conditions) {
    for (const auto& condition : conditions) {
        if (condition.argument > 5)
            throw std::invalid_argument("a system call has arguments 0 to 5");
        if (condition.test == Condition::Test::maskedEqual && (condition.low & ~condition.mask) != 0)
            throw std::invalid_argument("a seccomp condition compares bits that its mask clears");
        if (condition.lowHalfOnly && ((condition.low | condition.high) >> 32) != 0)
            throw std::invalid_argument("a seccomp condition on an int compares with more than 32 bits");
        if (condition.test == Condition::Test::between && condition.low > condition.high)
            throw std::invalid_argument("a seccomp condition has an empty range");
    }
    rules_[number].push_back(std::move(conditions));
    return *this;
}

std::vector<sock_filter> Filter::program() const {
    const auto allow = statement(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    std::vector<sock_filter> code;
    code.push_back(statement(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)));
    code.push_back({BPF_JMP | BPF_JEQ | BPF_K, 1, 0, nativeArch});
    code.push_back(allow);
    code.push_back(statement(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)));
#if defined(__x86_64__)
    code.push_back({BPF_JMP | BPF_JGE | BPF_K, 0, 1, x32Bit});
    code.push_back(allow);
#endif
    for (const auto& [number, rules] : rules_) {
        std::vector<sock_filter> block;
        for (const auto& rule : rules) {
            RuleCode ruleCode;
            for (const auto& condition : rule)
                ruleCode.add(condition);
            append(block, ruleCode.finish());
        }
        block.push_back(allow);
        // A conditional jump reaches 255 instructions only, hence the pair.
        code.push_back({BPF_JMP | BPF_JEQ | BPF_K, 1, 0, static_cast<std::uint32_t>(number)});
        code.push_back(statement(BPF_JMP | BPF_JA, static_cast<std::uint32_t>(block.size())));
        append(code, block);
    }
    code.push_back(allow);
    if (code.size() > BPF_MAXINSNS)
        throw std::length_error("a seccomp filter of more than 4096 instructions");
    return code;
}

} // namespace rdmalab::fakekernel
