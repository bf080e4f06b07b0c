"""What ``repro doctor`` looks at: the machine, the installation, the checkout, the data and the hosts."""
