#include "fakekernel/call_view.h"

#include "fakekernel/process_tree.h"
#include "util/syscall.h"

#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace rdmalab::fakekernel {

namespace {

// The smallest page of any architecture: what is mapped may change at a multiple of it.
constexpr std::uint64_t pageSize = 4096;

// How much was copied: less than asked where the mapping ends. process_vm_readv stops between iovec elements only at a page that
// is not there, so each request is cut at page borders.
std::size_t copyFrom(pid_t thread, std::uint64_t address, std::byte* to, std::size_t size) {
    std::size_t done = 0;
    while (done < size) {
        const auto here = address + done;
        const auto part = std::min<std::uint64_t>(size - done, pageSize - here % pageSize);
        iovec local{to + done, part};
        iovec remote{reinterpret_cast<void*>(here), part}; // NOLINT: an address of another process
        const auto got = ::process_vm_readv(thread, &local, 1, &remote, 1, 0);
        if (got < 0 && errno == EFAULT)
            break;
        if (got < 0 && errno == ESRCH)
            throw CallerGone();
        checked("read the caller's memory", got);
        done += static_cast<std::size_t>(got);
        if (static_cast<std::uint64_t>(got) < part)
            break;
    }
    return done;
}

} // namespace

ParkedCall::ParkedCall(std::shared_ptr<ProcessTree> tree, std::uint64_t id, Call call)
    : tree_(std::move(tree)), id_(id), call_(call) {}

ParkedCall::~ParkedCall() {
    answer(Answer::error(EIO));
}

bool ParkedCall::waiting() const {
    return !answered_ && tree_->valid(id_);
}

void ParkedCall::answer(const Answer& answer) {
    if (!answered_.exchange(true))
        tree_->send(id_, answer);
}

CallView::CallView(std::shared_ptr<ProcessTree> tree, std::uint64_t id, Call call)
    : tree_(std::move(tree)), id_(id), call_(call) {}
CallView::~CallView() = default;

bool CallView::valid() const {
    return tree_->valid(id_);
}

void CallView::requireValid() const {
    if (!valid())
        throw CallerGone();
}

void CallView::read(std::uint64_t address, std::span<std::byte> to) const {
    const auto got = copyFrom(call_.thread, address, to.data(), to.size());
    requireValid();
    if (got < to.size())
        throw SystemError("read the caller's memory", EFAULT);
}

std::string CallView::readUpTo(std::uint64_t address, std::size_t size) const {
    std::string text(size, '\0');
    text.resize(copyFrom(call_.thread, address, reinterpret_cast<std::byte*>(text.data()), size));
    requireValid();
    if (text.empty() && size > 0)
        throw SystemError("read the caller's memory", EFAULT);
    return text;
}

std::string CallView::readString(std::uint64_t address, std::size_t limit) const {
    std::string text;
    while (text.size() < limit) {
        const auto here = address + text.size();
        std::byte page[pageSize];
        const auto size = std::min<std::uint64_t>(limit - text.size(), pageSize - here % pageSize);
        const auto got = copyFrom(call_.thread, here, page, size);
        const auto* const begin = reinterpret_cast<const char*>(page);
        const auto* const end = static_cast<const char*>(std::memchr(begin, 0, got));
        text.append(begin, end != nullptr ? static_cast<std::size_t>(end - begin) : got);
        if (end != nullptr)
            break;
        if (got < size) {
            requireValid();
            throw SystemError("read a string of the caller", EFAULT);
        }
    }
    requireValid();
    return text;
}

void CallView::write(std::uint64_t address, std::span<const std::byte> from) const {
    requireValid(); // or it might go into another process
    iovec local{const_cast<std::byte*>(from.data()), from.size()};
    iovec remote{reinterpret_cast<void*>(address), from.size()}; // NOLINT: an address of another process
    const auto put = ::process_vm_writev(call_.thread, &local, 1, &remote, 1, 0);
    if (put < 0 && errno == ESRCH)
        throw CallerGone();
    if (put < 0 && errno != EFAULT)
        checked("write the caller's memory", put);
    if (put < 0 || static_cast<std::size_t>(put) < from.size())
        throw SystemError("write the caller's memory", EFAULT);
}

const Caller& CallView::caller() const {
    if (!caller_) {
        try {
            caller_.emplace(tree_->procFs(), call_.thread);
        } catch (const SystemError&) {
            requireValid(); // ENOENT: it has ended
            throw;
        }
        try {
            requireValid(); // else the number may have been given to another thread before it was opened
        } catch (const CallerGone&) {
            caller_.reset();
            throw;
        }
    }
    return *caller_;
}

UniqueFd CallView::takeDescriptor(int number) const {
    // A thread may have a descriptor table of its own, which only PIDFD_THREAD (6.9, = O_EXCL) can tell.
    constexpr unsigned pidfdThread = 0200;
    int pidfd = static_cast<int>(::syscall(SYS_pidfd_open, call_.thread, pidfdThread));
    if (pidfd < 0 && errno == EINVAL) {
        const auto process = caller().status().process;
        pidfd = static_cast<int>(::syscall(SYS_pidfd_open, process.empty() ? call_.thread : process.front(), 0));
    }
    const UniqueFd holder(pidfd);
    if (pidfd < 0) {
        const int error = errno;
        requireValid();
        throw SystemError("open the caller's pidfd", error);
    }
    UniqueFd file(static_cast<int>(::syscall(SYS_pidfd_getfd, pidfd, number, 0)));
    const int error = errno;
    requireValid();
    if (!file.valid())
        throw SystemError("take a descriptor of the caller", error);
    return file;
}

std::shared_ptr<ParkedCall> CallView::park() {
    return std::make_shared<ParkedCall>(tree_, id_, call_);
}

} // namespace rdmalab::fakekernel
