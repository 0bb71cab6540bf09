// One trapped system call, while its caller waits.
#pragma once

#include "fakekernel/answer.h"
#include "fakekernel/caller.h"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include <sys/types.h>

namespace rdmalab::fakekernel {

class ProcessTree;

struct Call {
    int number = 0; // __NR_*
    std::array<std::uint64_t, 6> arguments{};
    pid_t thread = 0; // in the supervisor's pid namespace
};

// A call whose answer comes later, from any thread. Dropping it unanswered answers EIO.
class ParkedCall {
public:
    ParkedCall(std::shared_ptr<ProcessTree> tree, std::uint64_t id, Call call);
    ParkedCall(const ParkedCall&) = delete;
    ParkedCall& operator=(const ParkedCall&) = delete;
    ~ParkedCall();

    const Call& call() const noexcept { return call_; }
    bool waiting() const; // the caller still waits: false when it was killed
    // Once; later ones are ignored, as is the answer to a caller that is gone.
    void answer(const Answer& answer);

private:
    std::shared_ptr<ProcessTree> tree_;
    std::uint64_t id_;
    Call call_;
    std::atomic<bool> answered_ = false;
};

// Throws CallerGone from anything that looks at the caller when it no longer waits: what was seen may be another process's.
class CallView {
public:
    CallView(std::shared_ptr<ProcessTree> tree, std::uint64_t id, Call call);
    CallView(const CallView&) = delete;
    CallView& operator=(const CallView&) = delete;
    ~CallView();

    const Call& call() const noexcept { return call_; }
    int number() const noexcept { return call_.number; }
    std::uint64_t argument(unsigned index) const { return call_.arguments.at(index); }
    // As the kernel takes an argument declared int or unsigned.
    int intArgument(unsigned index) const { return static_cast<int>(call_.arguments.at(index)); }

    // The caller's memory, as its kernel would: SystemError EFAULT when not all of it is mapped. Another thread of the caller may
    // change it at any time: read once, and decide and act on the copy.
    void read(std::uint64_t address, std::span<std::byte> to) const;
    void write(std::uint64_t address, std::span<const std::byte> from) const;
    // Bytes up to a NUL or up to `limit`, whichever is first; EFAULT when the mapping ends before. The NUL is not part of it:
    // a result of `limit` bytes had none.
    std::string readString(std::uint64_t address, std::size_t limit) const;
    // As much as is mapped, up to `size`; EFAULT when that is nothing (what mount(2) does with its options).
    std::string readUpTo(std::uint64_t address, std::size_t size) const;

    // What /proc knows about the calling thread. Opened on first use.
    const Caller& caller() const;
    // A descriptor of the caller, the same open file. EBADF when it has none of that number.
    UniqueFd takeDescriptor(int number) const;

    bool valid() const;
    void requireValid() const; // throws CallerGone

    // For Answer::parked(). At most once.
    std::shared_ptr<ParkedCall> park();

private:
    std::shared_ptr<ProcessTree> tree_;
    std::uint64_t id_;
    Call call_;
    mutable std::optional<Caller> caller_;
};

} // namespace rdmalab::fakekernel
