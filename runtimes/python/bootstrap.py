# The program that the interpreter is started with. It stays this small because it is the one file that is
# compiled anew at every start; a wrapper may put options in front of it, so it must be the last argument.
import lacewing_bootstrap

lacewing_bootstrap.main()
