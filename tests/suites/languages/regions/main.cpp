// A function returns from an atomic region with an error, and the worker continues.

#include "golem.hpp"
#include <cstdlib>
#include <string>
#include <unistd.h>

namespace api = exports::acme::regions::api;

namespace {

std::expected<int, std::string> fails() {
    golem::Region region;
    return std::unexpected("the service did not answer");
}

golem::Bucket bucket() {
    auto bucket = golem::Bucket::open("regions");
    if (!bucket) std::abort();
    return std::move(*bucket);
}

void increment(std::string const &key) {
    if (!bucket().increment(key, 1)) std::abort();
}

} // namespace

wit::string api::Caught(wit::string key, uint32_t pause_ms) {
    std::string name{key.data(), key.size()};
    auto result = fails();
    // Outside of any region: each of these happens once, whatever crashes.
    increment(name);
    usleep(pause_ms * 1000);
    increment(name);
    return wit::string::from_view(result.error());
}

uint64_t api::Count(wit::string key) {
    auto count = bucket().get({key.data(), key.size()});
    if (!count) std::abort();
    return *count ? std::strtoull((*count)->c_str(), nullptr, 10) : 0;
}
