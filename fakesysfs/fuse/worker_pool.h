// Threads for work that may block: one is started when all others are busy, and ends when there has been nothing for a while.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>

namespace rdmalab::fakesysfs {

class WorkerPool {
public:
    // `name` of its threads, at most 15 characters; `most` of them at a time.
    WorkerPool(const char* name, std::size_t most) : name_(name), most_(most) {}
    WorkerPool(const WorkerPool&) = delete;
    WorkerPool& operator=(const WorkerPool&) = delete;
    ~WorkerPool(); // after what is still waiting has run

    // Started in the order given. Does not wait for any. Tasks must not throw. std::system_error when there is no thread and
    // none can be started.
    void run(std::function<void()> task);

private:
    void work();

    const char* const name_;
    const std::size_t most_;
    std::mutex mutex_;
    std::condition_variable wake_, ended_;
    std::deque<std::function<void()>> tasks_;
    std::size_t threads_ = 0, idle_ = 0;
    bool ending_ = false;
};

} // namespace rdmalab::fakesysfs
