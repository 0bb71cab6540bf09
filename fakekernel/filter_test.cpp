#include "fakekernel/filter.h"

#include <gtest/gtest.h>

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>

#include <array>
#include <cstring>
#include <optional>
#include <random>
#include <stdexcept>

namespace rdmalab::fakekernel {
namespace {

#if defined(__x86_64__)
constexpr std::uint32_t native = AUDIT_ARCH_X86_64;
#else
constexpr std::uint32_t native = AUDIT_ARCH_AARCH64;
#endif

// What the kernel's interpreter would return; nothing for a program that the kernel would refuse.
std::optional<std::uint32_t> interpret(const std::vector<sock_filter>& code, const seccomp_data& data) {
    std::uint32_t a = 0;
    for (std::size_t at = 0; at < code.size();) {
        const auto& i = code[at++];
        const auto jump = [&](bool taken) { at += taken ? i.jt : i.jf; };
        switch (i.code) {
        case BPF_LD | BPF_W | BPF_ABS:
            if (i.k % 4 != 0 || i.k + 4 > sizeof data)
                return std::nullopt;
            std::memcpy(&a, reinterpret_cast<const char*>(&data) + i.k, 4);
            break;
        case BPF_ALU | BPF_AND | BPF_K:
            a &= i.k;
            break;
        case BPF_JMP | BPF_JEQ | BPF_K:
            jump(a == i.k);
            break;
        case BPF_JMP | BPF_JGT | BPF_K:
            jump(a > i.k);
            break;
        case BPF_JMP | BPF_JGE | BPF_K:
            jump(a >= i.k);
            break;
        case BPF_JMP | BPF_JA:
            at += i.k;
            break;
        case BPF_RET | BPF_K:
            return i.k;
        default:
            return std::nullopt;
        }
    }
    return std::nullopt;
}

bool trapped(const Filter& filter, int number, std::array<std::uint64_t, 6> args = {}, std::uint32_t arch = native) {
    seccomp_data data{};
    data.nr = number;
    data.arch = arch;
    std::copy(args.begin(), args.end(), data.args);
    const auto verdict = interpret(filter.program(), data);
    EXPECT_TRUE(verdict == SECCOMP_RET_ALLOW || verdict == SECCOMP_RET_USER_NOTIF);
    return verdict == SECCOMP_RET_USER_NOTIF;
}

TEST(Filter, TrapsWhatItNamesAndNothingElse) {
    Filter filter;
    filter.trap(SYS_fsopen).trap(SYS_mount);
    EXPECT_TRUE(trapped(filter, SYS_fsopen));
    EXPECT_TRUE(trapped(filter, SYS_mount));
    for (int number = 0; number < 600; ++number)
        EXPECT_EQ(trapped(filter, number), number == SYS_fsopen || number == SYS_mount) << number;
    EXPECT_FALSE(trapped(Filter(), SYS_mount));
}

TEST(Filter, ForeignArchitecturesPass) {
    Filter filter;
    filter.trap(SYS_mount);
    EXPECT_FALSE(trapped(filter, SYS_mount, {}, AUDIT_ARCH_I386));
    EXPECT_FALSE(trapped(filter, SYS_mount, {}, AUDIT_ARCH_ARM));
#if defined(__x86_64__)
    EXPECT_FALSE(trapped(filter, SYS_mount | 0x40000000));
#endif
}

TEST(Filter, AnIntArgumentIgnoresTheUpperHalfOfItsRegister) {
    Filter filter;
    filter.trap(SYS_close, {intEquals(0, 7)});
    EXPECT_TRUE(trapped(filter, SYS_close, {7}));
    EXPECT_TRUE(trapped(filter, SYS_close, {0xdeadbeef00000007}));
    EXPECT_FALSE(trapped(filter, SYS_close, {8}));
    Filter wide;
    wide.trap(SYS_close, {wordEquals(0, 7)});
    EXPECT_TRUE(trapped(wide, SYS_close, {7}));
    EXPECT_FALSE(trapped(wide, SYS_close, {0xdeadbeef00000007}));
}

TEST(Filter, ConditionsOfARuleMustAllHoldAndRulesAreAlternatives) {
    Filter filter;
    filter.trap(SYS_socket, {intEquals(0, 16), intEquals(2, 20)});
    filter.trap(SYS_socket, {intEquals(0, 17)});
    EXPECT_TRUE(trapped(filter, SYS_socket, {16, 3, 20}));
    EXPECT_FALSE(trapped(filter, SYS_socket, {16, 3, 0}));
    EXPECT_TRUE(trapped(filter, SYS_socket, {17, 3, 0}));
    EXPECT_FALSE(trapped(filter, SYS_socket, {2, 3, 20}));
}

// Every kind of condition, at the borders and at random, against its definition.
TEST(Filter, ConditionsMeanWhatTheySay) {
    std::mt19937_64 random(1);
    const auto some = [&] {
        static constexpr std::uint64_t borders[] = {0, 1, 0x7fffffff, 0x80000000, 0xffffffff, 0x100000000, 0x1ffffffff, ~0ull};
        switch (random() % 3) {
        case 0:
            return borders[random() % std::size(borders)];
        case 1:
            return random() % 1030;
        default:
            return static_cast<std::uint64_t>(random());
        }
    };
    int hits = 0;
    for (int round = 0; round < 4000; ++round) {
        auto low = some(), high = some();
        if (low > high)
            std::swap(low, high);
        const auto mask = some();
        auto value = round % 4 == 0 ? low : round % 4 == 1 ? high : some();
        if (round % 8 == 3)
            value = (value & ~mask) | (low & mask);
        const unsigned argument = static_cast<unsigned>(random() % 6);
        const auto low32 = static_cast<std::uint32_t>(low), high32 = static_cast<std::uint32_t>(high),
                   mask32 = static_cast<std::uint32_t>(mask), value32 = static_cast<std::uint32_t>(value);
        const std::pair<Condition, bool> cases[] = {
            {wordMasked(argument, mask, low & mask), (value & mask) == (low & mask)},
            {wordBetween(argument, low, high), low <= value && value <= high},
            {intMasked(argument, mask32, low32 & mask32), (value32 & mask32) == (low32 & mask32)},
            {intBetween(argument, std::min(low32, high32), std::max(low32, high32)),
             std::min(low32, high32) <= value32 && value32 <= std::max(low32, high32)},
        };
        for (const auto& [condition, expected] : cases) {
            std::array<std::uint64_t, 6> args{};
            args[argument] = value;
            Filter plain, negated, followed;
            plain.trap(5, {condition});
            negated.trap(5, {!condition});
            followed.trap(5, {!condition, intEquals((argument + 1) % 6, 9)}).trap(5, {condition, condition});
            ASSERT_EQ(trapped(plain, 5, args), expected) << round;
            ASSERT_EQ(trapped(negated, 5, args), !expected) << round;
            ASSERT_EQ(trapped(followed, 5, args), expected) << round;
            hits += expected ? 1 : 0;
        }
    }
    EXPECT_GT(hits, 1000);
}

TEST(Filter, ManySystemCallsAndRules) {
    Filter filter;
    for (int number = 0; number < 100; ++number)
        for (unsigned rule = 0; rule < 5; ++rule)
            filter.trap(number, {intEquals(0, rule * 1000), intBetween(1, 960, 1023)});
    EXPECT_TRUE(trapped(filter, 99, {4000, 1000}));
    EXPECT_FALSE(trapped(filter, 99, {4000, 1024}));
    EXPECT_FALSE(trapped(filter, 99, {4001, 1000}));
    EXPECT_FALSE(trapped(filter, 100, {4000, 1000}));
    for (int number = 100; number < 1000; ++number)
        for (unsigned rule = 0; rule < 5; ++rule)
            filter.trap(number, {intEquals(0, rule)});
    EXPECT_THROW(filter.program(), std::length_error);
}

TEST(Filter, RefusesConditionsThatCannotHold) {
    Filter filter;
    EXPECT_THROW(filter.trap(1, {intEquals(6, 0)}), std::invalid_argument);
    EXPECT_THROW(filter.trap(1, {wordMasked(0, 1, 2)}), std::invalid_argument);
    EXPECT_THROW(filter.trap(1, {wordBetween(0, 2, 1)}), std::invalid_argument);
    auto condition = intEquals(0, 1);
    condition.low = 1ull << 32;
    condition.mask = ~0ull;
    EXPECT_THROW(filter.trap(1, {condition}), std::invalid_argument);
    EXPECT_TRUE(filter.empty());
}

} // namespace
} // namespace rdmalab::fakekernel
