// Answers the trapped system calls of any number of process trees (seccomp user notification, seccomp_unotify(2)).
#pragma once

#include "fakekernel/handler.h"
#include "util/unique_fd.h"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

namespace rdmalab::fakekernel {

class ProcessTree;
class WorkerPool;

// One thread receives, workers answer what may block: a slow caller delays nobody else. Its threads keep the namespaces of the
// thread that made it, whose /proc must be that of its own pid namespace.
//
// When it is destroyed while processes still live, their waiting and all later trapped calls fail with ENOSYS: the kernel knows
// no way back from a filter. So it belongs into the process whose death ends the processes anyway.
class Supervisor {
public:
    using TreeId = std::uint64_t;
    // For what goes wrong in handlers; called from any of its threads.
    using Log = std::function<void(const std::string&)>;

    explicit Supervisor(Log log = {}); // throws SystemError, std::runtime_error (a /proc of another pid namespace)
    Supervisor(const Supervisor&) = delete;
    Supervisor& operator=(const Supervisor&) = delete;
    ~Supervisor(); // waits for the handlers at work

    // From any thread. `listener` comes from a process that installed the filter of `handler` (supervised.h). The tree goes by
    // itself when its last process has ended.
    TreeId add(UniqueFd listener, std::shared_ptr<Handler> handler);
    // Wakes a tree's callers on the processor of the one who answers, 5-10 times faster for control traffic; on from the
    // beginning where the kernel can (6.6). To be turned off while its programs poll busily. False: the kernel cannot, or no
    // such tree.
    bool setSynchronousWake(TreeId tree, bool on);
    std::size_t trees() const; // that still have processes

private:
    void run();
    void receive(TreeId id, const std::shared_ptr<ProcessTree>& tree);
    void remove(TreeId id);
    // Gives the call to `decide` and its answer to the caller.
    void answer(const std::shared_ptr<ProcessTree>& tree, std::uint64_t id, const Call& call, bool onWorker);

    Log log_;
    const std::shared_ptr<const UniqueFd> procFs_;
    UniqueFd epoll_, stop_;
    std::unique_ptr<WorkerPool> workers_;
    mutable std::mutex mutex_;
    TreeId next_ = 1;
    std::map<TreeId, std::shared_ptr<ProcessTree>> trees_;
    std::thread thread_;
};

} // namespace rdmalab::fakekernel
