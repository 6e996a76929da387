// The smallest program on top of octavo: hello MODEL.8vo [TEXT]
#include <iostream>
#include <string_view>

#include "octavo/octavo.hpp"

int main(int argc, char** argv) try {
  const bool is_help = argc == 2 && argv[1] == std::string_view("--help");
  if (is_help || argc < 2) {
    (is_help ? std::cout : std::cerr) << "usage: hello MODEL.8vo [TEXT]\n";
    return is_help ? 0 : 2;
  }
  const auto model = octavo::Model::open(argv[1]);
  octavo::Session session(model);
  const auto prompt = model.tokenize(argc > 2 ? argv[2] : "Once upon a time");
  octavo::generate(session, prompt, {.max_tokens = 32}, {}, [](const octavo::Token& token) {
    std::cout << token.text << std::flush;
    return true;
  });
  std::cout << '\n';
} catch (const octavo::Error& error) {
  std::cerr << "hello: " << error.what() << '\n';
  return 1;
}
