#include "fakesysfs/fuse/quiet_thread.h"

#include <csignal>
#include <pthread.h>

namespace rdmalab::fakesysfs {

std::thread quietThread(const char* name, std::function<void()> body) {
    sigset_t all, before;
    sigfillset(&all);
    // Inherited from the thread that creates it, so that there is no moment without.
    pthread_sigmask(SIG_SETMASK, &all, &before);
    std::thread thread;
    try {
        thread = std::thread(std::move(body));
    } catch (...) {
        pthread_sigmask(SIG_SETMASK, &before, nullptr);
        throw;
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    pthread_setname_np(thread.native_handle(), name);
    return thread;
}

} // namespace rdmalab::fakesysfs
