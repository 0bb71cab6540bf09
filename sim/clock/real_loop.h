#pragma once

#include "sim/clock/event_loop.h"
#include "util/unique_fd.h"

#include <mutex>
#include <unordered_map>
#include <vector>

namespace rdmalab::clock {

// Follows CLOCK_MONOTONIC; waits in epoll for descriptors, timers and posts from other threads.
class RealLoop final : public EventLoop {
public:
    RealLoop();
    ~RealLoop() override;

    TimePoint now() const override;
    void post(Action action) override;
    bool runUntil(const std::function<bool()>& done, Duration limit) override;

    // Calls `onReadable` whenever `fd` can be read (or has hung up) until unwatch(). The caller keeps owning `fd`.
    void watch(int fd, Action onReadable);
    void unwatch(int fd);

private:
    bool runPosted(const std::function<bool()>& done);

    UniqueFd epoll_, wake_;
    TimePoint start_{};
    std::unordered_map<int, Action> watched_;
    std::mutex mutex_;
    std::vector<Action> posted_; // guarded by mutex_
};

} // namespace rdmalab::clock
