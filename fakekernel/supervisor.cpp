#include "fakekernel/supervisor.h"

#include "fakekernel/blocked_signals.h"
#include "fakekernel/process_tree.h"
#include "fakekernel/worker_pool.h"
#include "util/syscall.h"

#include <fmt/format.h>

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <new>
#include <stdexcept>

namespace rdmalab::fakekernel {

namespace {

constexpr Supervisor::TreeId stopId = 0;
// Callers that block their handlers all at once beyond this number wait for each other.
constexpr std::size_t workerLimit = 128;

std::shared_ptr<const UniqueFd> openProc() {
    auto proc = std::make_shared<UniqueFd>(checked("open /proc", ::open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC)));
    char self[32] = {};
    // Notifications carry ids of the reader's pid namespace.
    if (::readlinkat(proc->get(), "self", self, sizeof self - 1) < 0 || self != std::to_string(::getpid()))
        throw std::runtime_error("/proc does not belong to this pid namespace");
    return proc;
}

} // namespace

Supervisor::Supervisor(Log log)
    : log_(std::move(log)), procFs_(openProc()), epoll_(checked("epoll_create", ::epoll_create1(EPOLL_CLOEXEC))),
      stop_(checked("eventfd", ::eventfd(0, EFD_CLOEXEC))), workers_(std::make_unique<WorkerPool>(workerLimit)) {
    epoll_event event{EPOLLIN, {.u64 = stopId}};
    checked("epoll add", ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, stop_.get(), &event));
    const BlockedSignals blocked;
    thread_ = std::thread([this] { run(); });
}

Supervisor::~Supervisor() {
    const std::uint64_t one = 1;
    while (::write(stop_.get(), &one, sizeof one) < 0 && errno == EINTR) {
    }
    thread_.join();
    workers_.reset();
    for (const auto& [id, tree] : trees_) // parked calls may hold a tree for longer
        tree->close();
}

Supervisor::TreeId Supervisor::add(UniqueFd listener, std::shared_ptr<Handler> handler) {
    auto tree = std::make_shared<ProcessTree>(std::move(listener), std::move(handler), procFs_);
    tree->setSynchronousWake(true);
    const std::lock_guard lock(mutex_);
    const TreeId id = next_++;
    trees_.emplace(id, tree);
    epoll_event event{EPOLLIN, {.u64 = id}};
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, tree->fd(), &event) < 0) {
        const int error = errno;
        trees_.erase(id);
        throw SystemError("watch a seccomp listener", error);
    }
    return id;
}

bool Supervisor::setSynchronousWake(TreeId id, bool on) {
    const std::lock_guard lock(mutex_);
    const auto found = trees_.find(id);
    return found != trees_.end() && found->second->setSynchronousWake(on);
}

std::size_t Supervisor::trees() const {
    const std::lock_guard lock(mutex_);
    return trees_.size();
}

void Supervisor::remove(TreeId id) {
    const std::lock_guard lock(mutex_);
    const auto found = trees_.find(id);
    if (found == trees_.end())
        return;
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, found->second->fd(), nullptr);
    trees_.erase(found);
}

void Supervisor::run() {
    epoll_event events[16];
    for (;;) {
        const int count = ::epoll_wait(epoll_.get(), events, std::size(events), -1);
        for (int i = 0; i < count; ++i) {
            const TreeId id = events[i].data.u64;
            if (id == stopId)
                return;
            std::shared_ptr<ProcessTree> tree;
            {
                const std::lock_guard lock(mutex_);
                if (const auto found = trees_.find(id); found != trees_.end())
                    tree = found->second;
            }
            if (!tree)
                continue;
            // One call of each tree in turn: a busy one does not starve the others.
            if ((events[i].events & EPOLLIN) != 0)
                receive(id, tree);
            else // EPOLLHUP: its last process has ended
                remove(id);
        }
    }
}

void Supervisor::receive(TreeId id, const std::shared_ptr<ProcessTree>& tree) {
    try {
        if (const auto notification = tree->receive())
            answer(tree, notification->id, notification->call, false);
    } catch (const std::exception& error) { // ENOSYS for its callers is better than that they wait for ever
        if (log_)
            log_(fmt::format("seccomp supervisor: {}", error.what()));
        remove(id);
        tree->close();
    }
}

void Supervisor::answer(const std::shared_ptr<ProcessTree>& tree, std::uint64_t id, const Call& call, bool onWorker) {
    const auto fail = [&](int code, const char* what) {
        if (log_)
            log_(fmt::format("seccomp supervisor: call {} of thread {}: {}", call.number, call.thread, what));
        return Answer::error(code);
    };
    std::optional<Answer> answer;
    try {
        CallView view(tree, id, call);
        if (onWorker)
            answer = tree->handler().handle(view);
        else if (!(answer = tree->handler().glance(view))) {
            workers_->post([this, tree, id, call] { this->answer(tree, id, call, true); });
            return;
        }
    } catch (const CallerGone&) {
        return;
    } catch (const SystemError& error) { // its code is the answer, as handlers mean it
        answer = Answer::error(error.code() > 0 ? error.code() : EIO);
    } catch (const std::bad_alloc&) {
        answer = fail(ENOMEM, "out of memory");
    } catch (const std::exception& error) {
        answer = fail(EIO, error.what());
    } catch (...) {
        answer = fail(EIO, "an unknown exception");
    }
    try {
        tree->send(id, *answer);
    } catch (const std::exception& error) {
        fail(0, error.what());
    }
}

} // namespace rdmalab::fakekernel
