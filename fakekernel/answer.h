#pragma once

#include "util/unique_fd.h"

#include <cstdint>
#include <optional>

namespace rdmalab::fakekernel {

// What a trapped system call returns.
class Answer {
public:
    enum class Kind { value, error, proceed, descriptor, parked };

    static Answer value(std::int64_t result);
    static Answer error(int code); // a positive errno
    // The kernel executes the call after all. It reads the arguments' memory afresh: a thread of the caller may have changed it
    // since the handler looked, so this is no way to permit or refuse anything (seccomp_unotify(2)).
    static Answer proceed();
    // The call returns a new descriptor in the caller for the same open file. `number`: that one, replacing what is open there
    // (EBADF at or over the caller's RLIMIT_NOFILE); otherwise the lowest free one (EMFILE). The file is closed here.
    static Answer descriptor(UniqueFd file, bool closeOnExec, std::optional<int> number = std::nullopt);
    // Nothing yet: CallView::park() was called, and who holds that answers.
    static Answer parked();

    Kind kind() const noexcept { return kind_; }
    std::int64_t result() const noexcept { return result_; } // the value, or the positive errno
    const UniqueFd& file() const noexcept { return file_; }
    bool closeOnExec() const noexcept { return closeOnExec_; }
    std::optional<int> number() const noexcept { return number_; }

private:
    explicit Answer(Kind kind, std::int64_t result = 0) : kind_(kind), result_(result) {}

    Kind kind_;
    std::int64_t result_;
    UniqueFd file_;
    bool closeOnExec_ = false;
    std::optional<int> number_;
};

} // namespace rdmalab::fakekernel
