// Threads for work that may block: as many as there is work at a time.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace rdmalab::fakekernel {

class WorkerPool {
public:
    // Threads are made when work finds none idle, up to `limit`, and kept. They have all signals blocked.
    explicit WorkerPool(std::size_t limit);
    WorkerPool(const WorkerPool&) = delete;
    WorkerPool& operator=(const WorkerPool&) = delete;
    ~WorkerPool(); // finishes what is queued

    // `work` must not throw. New threads inherit the namespaces of the thread that calls this.
    void post(std::function<void()> work);

private:
    void run();

    const std::size_t limit_;
    std::mutex mutex_;
    std::condition_variable wake_;
    std::deque<std::function<void()>> queue_;
    std::size_t idle_ = 0;
    bool stopping_ = false;
    std::vector<std::thread> threads_;
};

} // namespace rdmalab::fakekernel
